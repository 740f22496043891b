"""A scripted MCP server on standard streams, for `doorward wrap`: child.py SCRIPT [ARGUMENT...].

SCRIPT is JSON: {"start": [step...], "on": {METHOD: [step...]}, "tools": [...]}. A step is
  {"write": HEX, "times": N, "to": "stdout"|"stderr"}   bytes; {{id}} in them is the request's id
  {"answer": true}                                       what it would answer without a script
  {"pause_ms": N}
What it was started with and every line it read goes to SCRIPT.seen, as JSON.
"""

import json
import os
import sys
import time

SCRIPT = sys.argv[1]
with open(SCRIPT, encoding="utf-8") as file:
    PLAN = json.load(file)
SEEN = open(SCRIPT + ".seen", "a", encoding="utf-8")


def seen(what):
    SEEN.write(json.dumps(what) + "\n")
    SEEN.flush()


def say(stream, data):
    stream.write(data)
    stream.flush()


def result(method, params):
    complete = {"resultType": "complete", "ttlMs": 1000, "cacheScope": "private"}
    if method == "server/discover":
        info = {"name": "child", "version": "1"}
        return complete | {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "serverInfo": info}
    if method == "tools/list":
        schema = {"type": "object", "properties": {"message": {"type": "string"}}}
        tools = PLAN.get("tools") or [{"name": "echo", "inputSchema": schema}]
        return complete | {"tools": tools}
    if method == "tools/call":
        text = json.dumps(params.get("arguments"))
        return {"resultType": "complete", "content": [{"type": "text", "text": text}]}
    return None


def answer(message):
    own = result(message.get("method"), message.get("params") or {})
    body = {"jsonrpc": "2.0", "id": message["id"]}
    if own is None:
        body["error"] = {"code": -32601, "message": "Method not found"}
    else:
        body["result"] = own
    say(sys.stdout.buffer, json.dumps(body).encode() + b"\n")


def play(steps, message):
    for step in steps:
        time.sleep(step.get("pause_ms", 0) / 1000)
        if step.get("answer"):
            answer(message)
            continue
        data = bytes.fromhex(step.get("write", ""))
        data = data.replace(b"{{id}}", json.dumps((message or {}).get("id")).encode())
        stream = sys.stderr.buffer if step.get("to") == "stderr" else sys.stdout.buffer
        for _ in range(step.get("times", 1)):
            say(stream, data)


def main():
    seen({"arguments": sys.argv[2:], "environment": dict(os.environ)})
    play(PLAN.get("start", []), None)
    for line in sys.stdin.buffer:
        message = json.loads(line)
        seen({"line": message})
        steps = PLAN.get("on", {}).get(message.get("method"))
        if steps is not None:
            play(steps, message)
        elif "id" in message and "method" in message:
            answer(message)


try:
    main()
except (BrokenPipeError, KeyboardInterrupt):
    sys.exit(0)
