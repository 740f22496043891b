"""Drives an MCP server with the official Python SDK and prints what came back as one JSON document.

    mcp_client.py [--mode legacy|auto] [--token T] (--url URL | --sse URL | --stdio '["COMMAND", …]') < steps.json

The steps on standard input are a JSON list of [verb, …]: ["list"], ["call", tool, arguments], ["read", uri],
["prompt", name, arguments]. The answer is {"protocol": …, "steps": [{"ok": …} | {"error": {"code": …, "message": …, "data": …}}]}.
"""

import argparse
import asyncio
import json
import sys

import httpx2
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client


def transport(arguments):
    if arguments.stdio:
        command, *rest = arguments.stdio
        return stdio_client(StdioServerParameters(command=command, args=rest))
    if arguments.sse:
        return sse_client(arguments.sse)
    headers = {"Authorization": f"Bearer {arguments.token}"} if arguments.token else {}
    return streamable_http_client(arguments.url, http_client=httpx2.AsyncClient(headers=headers, timeout=30))


async def step(client, verb, *rest):
    match verb:
        case "list":
            return sorted(tool.name for tool in (await client.list_tools()).tools)
        case "resources":
            return sorted(str(resource.uri) for resource in (await client.list_resources()).resources)
        case "call":
            return (await client.call_tool(rest[0], rest[1])).model_dump(mode="json", by_alias=True, exclude_none=True)
        case "read":
            return (await client.read_resource(rest[0])).model_dump(mode="json", by_alias=True, exclude_none=True)
        case "prompt":
            return (await client.get_prompt(rest[0], rest[1])).model_dump(mode="json", by_alias=True, exclude_none=True)
    raise ValueError(verb)


async def main(arguments, steps):
    results = []
    async with Client(transport(arguments), mode=arguments.mode) as client:
        for each in steps:
            try:
                results.append({"ok": await step(client, *each)})
            except MCPError as error:
                detail = error.error
                results.append({"error": {"code": detail.code, "message": detail.message, "data": detail.data}})
        print(json.dumps({"protocol": client.protocol_version, "steps": results}))


parser = argparse.ArgumentParser()
parser.add_argument("--mode", default="auto")
parser.add_argument("--token")
parser.add_argument("--url")
parser.add_argument("--sse")
# A JSON list: a command line may hold `--` itself.
parser.add_argument("--stdio", type=json.loads)
asyncio.run(main(parser.parse_args(), json.load(sys.stdin)))
