"""FastMCP as a proxy: `fastmcp.py URL PORT` serves /mcp on 127.0.0.1:PORT in front of the server at URL."""

import sys

from fastmcp.server import create_proxy

url, port = sys.argv[1:]
create_proxy(url, name="bench").run(
    transport="http",
    host="127.0.0.1",
    port=int(port),
    path="/mcp",
    show_banner=False,
    log_level="error",
    uvicorn_config={"loop": "uvloop", "http": "httptools", "access_log": False},
)
