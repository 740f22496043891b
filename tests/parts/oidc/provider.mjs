// A certified OpenID provider for the tests: issues JWT access tokens by client_credentials for a resource (RFC 8707).
//
//   node provider.mjs AUDIENCE [AUDIENCE…]      DOORWARD_TEST_NPM names the folder with node_modules
//
// Prints `listening on http://127.0.0.1:PORT` (the issuer). Client: id `doorward-tests`, secret `not-a-secret`.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { generateKeyPairSync } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.env.DOORWARD_TEST_NPM}/package.json`);
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')).href);

const audiences = process.argv.slice(2);
const jwk = (pair, kid, alg) => ({ ...pair.privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' });
const keys = [
  jwk(generateKeyPairSync('ec', { namedCurve: 'P-256' }), 'es256', 'ES256'),
  jwk(generateKeyPairSync('rsa', { modulusLength: 2048 }), 'rs256', 'RS256'),
  jwk(generateKeyPairSync('ed25519'), 'eddsa', 'EdDSA'),
];

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    jwks: { keys },
    clients: [{
      client_id: 'doorward-tests',
      client_secret: 'not-a-secret',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      scope: 'mcp mcp:write',
    }],
    scopes: ['mcp', 'mcp:write'],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audiences[0],
        useGrantedResource: () => true,
        getResourceServerInfo: (_context, resource) => {
          if (!audiences.includes(resource)) throw new Error(`unknown resource ${resource}`);
          return {
            scope: 'mcp mcp:write',
            audience: resource,
            accessTokenFormat: 'jwt',
            accessTokenTTL: 600,
            jwt: { sign: { alg: process.env.DOORWARD_TEST_OIDC_ALG ?? 'ES256' } },
          };
        },
      },
    },
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'EdDSA'] },
    ttl: { ClientCredentials: 600 },
  });
  provider.on('server_error', (_context, error) => console.error(error));
  server.on('request', provider.callback());
  console.log(`listening on ${issuer}`);
});
