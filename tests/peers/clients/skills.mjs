#!/usr/bin/env node
// Uses every skill of a server as @modelcontextprotocol/client/ext/skills does, and prints one JSON report.
//
//   skills.mjs --mode legacy|modern --http URL
//
// Each listed skill is fetched once more by its URI, each of its files is read, and the SDK checks digest, size and
// frontmatter of what comes; a skill without a manifest of files gives its SKILL.md.

import { parseArgs } from 'node:util';
import { use } from '../packages.mjs';

use('v2');
const { Client, StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
const { SkillsClient } = await import('@modelcontextprotocol/client/ext/skills');
// The SDK writes warnings to the console; stdout belongs to the report.
for (const level of ['log', 'info', 'debug', 'warn']) console[level] = (...words) => console.error(...words);

const { values: options } = parseArgs({ options: { mode: { type: 'string' }, http: { type: 'string' } } });
const client = new Client(
    { name: 'trunkline-skills', version: '1.0.0' },
    { versionNegotiation: { mode: options.mode === 'modern' ? { pin: '2026-07-28' } : 'legacy' } }
);
await client.connect(new StreamableHTTPClientTransport(new URL(options.http)));
const skills = new SkillsClient(client);

const listing = await skills.list();
const report = { supported: skills.supported, directoryRead: skills.directoryRead, ttlMs: listing.ttlMs, skills: [] };
for (const listed of listing.skills) {
    const { skill } = await skills.get(listed.uri);
    const files = {};
    const refs = Array.isArray(skill.resources) ? skill.resources.map(file => file.uri) : [undefined];
    for (const ref of refs) {
        const read = await skills.read(skill, ref);
        files[ref ?? skill.uri] = { verified: read.verified, text: read.text ?? read.contents?.text ?? read };
    }
    const same = JSON.stringify(skill.resources) === JSON.stringify(listed.resources);
    report.skills.push({ uri: skill.uri, same, files });
}
const unknown = await client
    .request({ method: 'skills/get', params: { uri: 'skill://nobody/has/this/SKILL.md' } }, anything())
    .then(() => null, error => error.code);
process.stdout.write(`${JSON.stringify({ ...report, unknown })}\n`);
await client.close();

/** A schema that takes every result. */
function anything() {
    return { '~standard': { version: 1, vendor: 'peers', validate: value => ({ value }) } };
}
