"""An MCP server on standard streams, of either era, that writes every line it receives to a file.

It answers what a door asks about and every call of `echo`; a call of `hang` it never answers.
"""

import json
import sys

TOOLS = [{"name": name, "inputSchema": {"type": "object"}} for name in ("echo", "hang")]


def result(method, params):
    modern = "_meta" in params and "io.modelcontextprotocol/protocolVersion" in params["_meta"]
    complete = {"resultType": "complete"} if modern else {}
    if method == "initialize":
        info = {"name": "recording", "version": "1"}
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        cacheable = {"ttlMs": 1000, "cacheScope": "private"} if modern else {}
        return {"tools": TOOLS, **complete, **cacheable}
    return {"content": [], **complete}


with open(sys.argv[1], "a", encoding="utf-8") as record:
    for line in sys.stdin:
        record.write(line)
        record.flush()
        message = json.loads(line)
        params = message.get("params", {})
        if "id" not in message or "method" not in message or params.get("name") == "hang":
            continue
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": result(message["method"], params)}
        print(json.dumps(answer), flush=True)
