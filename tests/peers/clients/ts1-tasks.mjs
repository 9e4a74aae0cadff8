#!/usr/bin/env node
// Calls one tool as a task with the experimental task API of @modelcontextprotocol/sdk 1.x, answers what it asks, and
// reports every step: ts1-tasks.mjs URL TOOL ARGUMENTS

import { use } from '../packages.mjs';
import { answers } from './driver.mjs';

use('legacy');
const { Client } = await import('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = await import('@modelcontextprotocol/sdk/client/streamableHttp.js');
const types = await import('@modelcontextprotocol/sdk/types.js');

const [url, name, args] = process.argv.slice(2);
const client = new Client({ name: 'trunkline-ts1-tasks', version: '1.0.0' }, { capabilities: { elicitation: { form: {} } } });
const answer = answers('accept');
const related = [];
client.setRequestHandler(types.ElicitRequestSchema, ({ params }) => {
    related.push(params._meta?.['io.modelcontextprotocol/related-task']?.taskId ?? null);
    return answer.elicit(params);
});
const told = [];
client.setNotificationHandler(types.TaskStatusNotificationSchema, ({ params }) => void told.push(params));
await client.connect(new StreamableHTTPClientTransport(new URL(url)));
// The SDK learns from the list which tools run as tasks.
await client.listTools();

const steps = [];
const task = { ttl: 60_000 };
for await (const step of client.experimental.tasks.callToolStream({ name, arguments: JSON.parse(args) }, undefined, { task })) {
    steps.push(step.type === 'error' ? { type: 'error', message: step.error.message } : step);
}
const { tasks } = await client.experimental.tasks.listTasks();
await client.close();
console.log(JSON.stringify({ steps, asked: answer.asked.length, related, told, tasks }));
process.exit(0);
