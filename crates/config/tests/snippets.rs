//! What users paste from the documentation of MCP clients is accepted as it is.

use trunkline_config::{Loaded, Source, load, render};
use trunkline_upstream::Reach;

fn accepted(name: &str, text: &str) -> Loaded {
    load(Source::new(name, text), &|variable| {
        (variable != "API_BASE_URL").then(|| format!("value-of-{variable}"))
    })
    .unwrap_or_else(|problems| panic!("{}", render(&problems, false)))
}

fn shape(loaded: &Loaded) -> Vec<String> {
    let show = |reach: &Reach| match reach {
        Reach::Stdio(command) => {
            let env: Vec<_> =
                command.env.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
            format!("{} {} [{}]", command.program, command.args.join(" "), env.join(" "))
        }
        remote => {
            let endpoint = remote.endpoint().expect("everything else has an address");
            let headers: Vec<_> =
                endpoint.headers.iter().map(|(name, value)| format!("{name}: {}", value.expose())).collect();
            format!("{} [{}]", endpoint.url, headers.join(", "))
        }
    };
    loaded
        .settings
        .upstreams
        .iter()
        .map(|upstream| format!("{}: {}", upstream.name, show(&upstream.reach)))
        .collect()
}

#[test]
fn claude_desktop() {
    let loaded = accepted(
        "claude_desktop_config.json",
        r#"{
      "globalShortcut": "",
      "mcpServers": {
        "filesystem": {
          "command": "npx",
          "args": ["-y", "@modelcontextprotocol/server-filesystem", "/Users/me/Desktop"]
        },
        "brave-search": {
          "command": "npx",
          "args": ["-y", "@modelcontextprotocol/server-brave-search"],
          "env": { "BRAVE_API_KEY": "YOUR_API_KEY_HERE" }
        }
      }
    }"#,
    );
    assert_eq!(
        shape(&loaded),
        [
            "filesystem: npx -y @modelcontextprotocol/server-filesystem /Users/me/Desktop []",
            "brave-search: npx -y @modelcontextprotocol/server-brave-search [BRAVE_API_KEY=YOUR_API_KEY_HERE]",
        ]
    );
}

#[test]
fn claude_code() {
    let loaded = accepted(
        ".mcp.json",
        r#"{
      "mcpServers": {
        "api-server": {
          "type": "http",
          "url": "${API_BASE_URL:-https://api.example.com}/mcp",
          "headers": { "Authorization": "Bearer ${API_KEY}" }
        },
        "db": { "type": "stdio", "command": "/path/to/server", "args": [], "env": {} }
      }
    }"#,
    );
    assert_eq!(
        shape(&loaded),
        [
            "api-server: https://api.example.com/mcp [Authorization: Bearer value-of-API_KEY]",
            "db: /path/to/server  []",
        ]
    );
}

#[test]
fn vs_code() {
    let loaded = accepted(
        "mcp.json",
        r#"{
      "inputs": [{ "type": "promptString", "id": "perplexity-key", "description": "Key", "password": true }],
      "servers": {
        "github": { "type": "http", "url": "https://api.githubcopilot.com/mcp" },
        "perplexity": {
          "type": "stdio",
          "command": "npx",
          "args": ["-y", "server-perplexity-ask"],
          "env": { "PERPLEXITY_API_KEY": "${input:perplexity-key}" },
          "dev": { "watch": "src/**" }
        },
      }
    }"#,
    );
    assert_eq!(
        shape(&loaded),
        [
            "github: https://api.githubcopilot.com/mcp []",
            "perplexity: npx -y server-perplexity-ask [PERPLEXITY_API_KEY=value-of-PERPLEXITY_KEY]",
        ]
    );
    assert_eq!(loaded.notes.len(), 2);
}

#[test]
fn vs_code_settings_keep_the_servers_one_level_down() {
    let loaded = accepted("settings.json", r#"{"mcp": {"inputs": [], "servers": {"a": {"command": "x"}}}}"#);
    assert_eq!(shape(&loaded), ["a: x  []"]);
}

#[test]
fn cursor() {
    let loaded = accepted(
        "mcp.json",
        r#"{
      "mcpServers": {
        "local": { "command": "python", "args": ["${userHome}/server.py"], "env": { "API_KEY": "${env:API_KEY}" } },
        "remote": { "url": "http://localhost:3000/mcp", "headers": { "API_KEY": "value" } }
      }
    }"#,
    );
    assert_eq!(
        shape(&loaded),
        [
            "local: python value-of-HOME/server.py [API_KEY=value-of-API_KEY]",
            "remote: http://localhost:3000/mcp [API_KEY: value]",
        ]
    );
}

#[test]
fn codex() {
    let loaded = accepted(
        "config.toml",
        r#"
[mcp_servers.context7]
command = "npx"
args = ["-y", "@upstash/context7-mcp"]
env_vars = ["LOCAL_TOKEN", { name = "REMOTE_TOKEN", source = "remote" }]
startup_timeout_sec = 20

[mcp_servers.context7.env]
MY_ENV_VAR = "MY_ENV_VALUE"

[mcp_servers.figma]
url = "https://mcp.figma.com/mcp"
bearer_token_env_var = "FIGMA_OAUTH_TOKEN"
http_headers = { "X-Figma-Region" = "us-east-1" }
tool_timeout_sec = 45
enabled_tools = ["open", "screenshot"]
disabled_tools = ["screenshot"]
required = true

[mcp_servers.off]
command = "x"
enabled = false
"#,
    );
    assert_eq!(
        shape(&loaded),
        [
            "context7: npx -y @upstash/context7-mcp [MY_ENV_VAR=MY_ENV_VALUE]",
            "figma: https://mcp.figma.com/mcp [X-Figma-Region: us-east-1, Authorization: Bearer value-of-FIGMA_OAUTH_TOKEN]",
        ]
    );
    let tools = &loaded.settings.gateway.servers[1].tools;
    assert!(tools.admits("open") && !tools.admits("screenshot") && !tools.admits("other"));
    assert_eq!(loaded.settings.upstreams[1].timeouts.total.as_secs(), 45);
    assert_eq!(loaded.settings.upstreams[0].timeouts.connect.as_secs(), 20);
}

#[test]
fn gemini() {
    let loaded = accepted(
        "settings.json",
        r#"{
      "mcpServers": {
        "pythonTools": {
          "command": "python",
          "args": ["-m", "my_mcp_server", "--port", 8080],
          "cwd": "./mcp-servers/python",
          "env": { "API_KEY": "$MY_API_TOKEN", "N": 1.10 },
          "timeout": 15000,
          "trust": false,
          "includeTools": ["safe_tool"]
        },
        "httpServer": { "httpUrl": "https://api.example.com/mcp", "headers": { "X-A": "b" }, "timeout": 5000 }
      }
    }"#,
    );
    assert_eq!(
        shape(&loaded),
        [
            "pythonTools: python -m my_mcp_server --port 8080 [API_KEY=value-of-MY_API_TOKEN N=1.10]",
            "httpServer: https://api.example.com/mcp [X-A: b]",
        ]
    );
    assert_eq!(loaded.settings.upstreams[0].timeouts.idle.as_secs(), 15);
}

#[test]
fn zed() {
    let loaded = accepted(
        "settings.json",
        r#"{
      "context_servers": {
        "new": { "source": "custom", "command": "some-command", "args": ["arg-1"], "env": {} },
        "old": { "command": { "path": "some-command", "args": ["arg-2"], "env": { "A": "b" } }, "settings": {} },
        "remote": { "url": "https://example.com/mcp", "headers": { "Authorization": "Bearer <token>" } },
      },
    }"#,
    );
    assert_eq!(
        shape(&loaded),
        [
            "new: some-command arg-1 []",
            "old: some-command arg-2 [A=b]",
            "remote: https://example.com/mcp [Authorization: Bearer <token>]",
        ]
    );
}

#[test]
fn opencode_and_continue() {
    let opencode = r#"{"mcp": {"a": {"type": "local", "command": ["bun", "x", "m"], "enabled": true, "environment": {"E": "v"}}}}"#;
    assert_eq!(shape(&accepted("opencode.json", opencode)), ["a: bun x m [E=v]"]);
    let list = "mcpServers:\n  - name: SQLite MCP\n    type: streamable-http\n    url: https://h/mcp\n";
    assert_eq!(shape(&accepted("config.yaml", list)), ["SQLite MCP: https://h/mcp []"]);
}

#[test]
fn the_transport_is_inferred_from_the_url_and_narrowed_by_its_type() {
    let text = r#"{"mcpServers": {
        "a": {"url": "https://h/mcp"}, "b": {"url": "https://h/mcp", "type": "http"},
        "c": {"url": "https://h/mcp", "type": "streamable-http"}, "d": {"url": "https://h/sse", "type": "SSE"},
        "e": {"url": "wss://h/ws"}, "f": {"url": "ws://localhost/ws", "transport": "websocket"},
        "g": {"url": "https://h/mcp", "type": "remote"}, "h": {"url": "wss://h/ws", "type": "remote"}
    }}"#;
    let loaded = accepted("mcp.json", text);
    let found: String = loaded
        .settings
        .upstreams
        .iter()
        .map(|upstream| match &upstream.reach {
            Reach::Stdio(_) => 'p',
            Reach::Http(_) => 'a',
            Reach::StreamableHttp(_) => 'h',
            Reach::HttpSse(_) => 's',
            Reach::WebSocket(_) => 'w',
        })
        .collect();
    assert_eq!(found, "ahhswwaw");
}
