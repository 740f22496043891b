"""Drives an MCP server with FastMCP's client; same arguments, steps and answer as mcp_client.py."""

import argparse
import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport


def transport(arguments):
    if arguments.stdio:
        command, *rest = arguments.stdio
        return StdioTransport(command=command, args=rest)
    headers = {"Authorization": f"Bearer {arguments.token}"} if arguments.token else {}
    return StreamableHttpTransport(arguments.url, headers=headers)


def plain(result):
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


async def step(client, verb, *rest):
    match verb:
        case "list":
            return sorted(tool.name for tool in await client.list_tools())
        case "resources":
            return sorted(str(resource.uri) for resource in await client.list_resources())
        case "call":
            return plain(await client.call_tool_mcp(rest[0], rest[1]))
        case "read":
            return plain(await client.read_resource_mcp(rest[0]))
        case "prompt":
            return plain(await client.get_prompt_mcp(rest[0], rest[1]))
    raise ValueError(verb)


async def main(arguments, steps):
    results = []
    async with Client(transport(arguments), mode=arguments.mode) as client:
        for each in steps:
            try:
                results.append({"ok": await step(client, *each)})
            except Exception as error:  # the client has several error types; those of the protocol carry `error`
                detail = getattr(error, "error", None)
                if detail is None:
                    raise
                results.append({"error": {"code": detail.code, "message": detail.message, "data": detail.data}})
        print(json.dumps({"protocol": client.protocol_version, "steps": results}))


parser = argparse.ArgumentParser()
parser.add_argument("--mode", default="auto")
parser.add_argument("--token")
parser.add_argument("--url")
# A JSON list: a command line may hold `--` itself.
parser.add_argument("--stdio", type=json.loads)
asyncio.run(main(parser.parse_args(), json.load(sys.stdin)))
