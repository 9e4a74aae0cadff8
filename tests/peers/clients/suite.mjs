#!/usr/bin/env node
// The known-good client for the suite's client mode: suite.mjs URL
//
// The suite starts a mock server and runs this with its address as the last argument. To test the
// gateway's upstream side, a wrapper starts the gateway on that address and passes the gateway's own.
// It knows no scenario by name, except how many calls to have in flight: it lists everything, gets
// everything, and calls each tool with the arguments from the suite's context or made from the schema.
// Scenarios about authorization are not its business: the gateway is the OAuth client there.

import { use } from '../packages.mjs';
import { answers, fill } from './driver.mjs';

use('v2');
const { Client, StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');

const MODERN = '2026-07-28';
const { MCP_CONFORMANCE_PROTOCOL_VERSION: version, MCP_CONFORMANCE_CONTEXT: context } = process.env;
const suggested = context ? (JSON.parse(context).toolCalls ?? []) : [];
const modern = version === MODERN;

const client = new Client(
    { name: 'trunkline-suite', version: '1.0.0' },
    {
        capabilities: { sampling: {}, elicitation: { form: {} }, roots: {} },
        versionNegotiation: { mode: modern ? 'auto' : 'legacy' }
    }
);
const answer = answers('accept');
client.setRequestHandler('elicitation/create', ({ params }) => answer.elicit(params));
client.setRequestHandler('sampling/createMessage', ({ params }) => answer.sample(params));
client.setRequestHandler('roots/list', ({ params }) => answer.roots(params));

await client.connect(new StreamableHTTPClientTransport(new URL(process.argv.at(-1))));

const { tools } = await client.listTools();
const offered = new Map(tools.map(tool => [tool.name, tool]));
const calls = suggested.length > 0 ? suggested : tools.map(tool => ({ name: tool.name, arguments: argumentsFor(tool) }));
// All at once: an answer or a state that reaches the wrong call shows only then.
await Promise.all(calls.filter(({ name }) => offered.has(name)).map(call => client.callTool(call).catch(tell(call.name))));

const has = client.getServerCapabilities() ?? {};
if (has.resources) {
    const { resources } = await client.listResources();
    for (const { uri } of resources) await client.readResource({ uri }).catch(tell(uri));
}
if (has.prompts) {
    const { prompts } = await client.listPrompts();
    for (const { name, arguments: wanted = [] } of prompts) {
        const given = Object.fromEntries(wanted.map(argument => [argument.name, 'peer']));
        await client.getPrompt({ name, arguments: given }).catch(tell(name));
    }
}
await client.close();

/** A tool that takes a schema gets one that we received, so that the suite sees what survived. */
function argumentsFor(tool) {
    const { properties = {} } = tool.inputSchema;
    const other = tools.find(candidate => candidate !== tool);
    return properties.schema && other ? { ...fill(tool.inputSchema), schema: other.inputSchema } : fill(tool.inputSchema);
}

function tell(what) {
    return error => console.error(`${what}: ${error.message}`);
}
