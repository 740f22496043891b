// Drives an MCP server with the official TypeScript SDK's client and prints what came back as one JSON document.
//
//   node client.mjs [--mode legacy|auto] [--token T] (--url URL | --stdio '["COMMAND", …]') < steps.json
//
// Steps and answer are those of ../python/mcp_client.py. DOORWARD_TEST_NPM names the folder with node_modules.
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const require = createRequire(`${process.env.DOORWARD_TEST_NPM}/package.json`);
const load = (name) => import(pathToFileURL(require.resolve(name)).href);
const { Client, StreamableHTTPClientTransport } = await load('@modelcontextprotocol/client');
const { StdioClientTransport } = await load('@modelcontextprotocol/client/stdio');

const option = { type: 'string' };
const { values } = parseArgs({ options: { mode: option, token: option, url: option, stdio: option } });

function transport() {
  if (values.stdio) {
    const [command, ...args] = JSON.parse(values.stdio);
    return new StdioClientTransport({ command, args });
  }
  const headers = values.token ? { Authorization: `Bearer ${values.token}` } : {};
  return new StreamableHTTPClientTransport(new URL(values.url), { requestInit: { headers } });
}

async function step(client, [verb, ...rest]) {
  switch (verb) {
    case 'list':
      return (await client.listTools()).tools.map((tool) => tool.name).sort();
    case 'resources':
      return (await client.listResources()).resources.map((resource) => resource.uri).sort();
    case 'call':
      return client.callTool({ name: rest[0], arguments: rest[1] });
    case 'read':
      return client.readResource({ uri: rest[0] });
    case 'prompt':
      return client.getPrompt({ name: rest[0], arguments: rest[1] });
    default:
      throw new TypeError(verb);
  }
}

const client = new Client(
  { name: 'doorward-tests', version: '1' },
  { versionNegotiation: { mode: values.mode === 'legacy' ? 'legacy' : 'auto' } },
);
await client.connect(transport());
const steps = [];
for (const each of JSON.parse(await text(process.stdin))) {
  try {
    steps.push({ ok: await step(client, each) });
  } catch (error) {
    if (typeof error.code !== 'number') throw error;
    steps.push({ error: { code: error.code, message: error.message, data: error.data } });
  }
}
const protocol = client.getNegotiatedProtocolVersion();
await client.close();
process.stdout.write(JSON.stringify({ protocol, steps }));
