// Takes the JSON schemas of the MCP revisions out of the official conformance suite, which carries them in its bundle,
// and writes them as files: `node schemas.mjs FOLDER`.
//
// The suite has none for 2024-11-05. That one is made from 2025-03-26, which only adds to it; what a 2024-11-05 peer
// may not be sent is then the audio block.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';

const [, , bundle, folder] = process.argv;
const source = readFileSync(bundle, 'utf8');

/** The object literals that are whole schemas: they name a dialect first and define an `Annotations` type. */
const literals = [...source.matchAll(/=(\{\$schema:`[^`]*`,(?:definitions|\$defs):\{Annotations:)/g)].map(match => literal(match.index + 1));

/** The balanced literal at `start`; strings are template literals, which may hold braces. */
function literal(start) {
    let depth = 0;
    for (let at = start; at < source.length; at += 1) {
        const sign = source[at];
        if (sign === '`' || sign === '"' || sign === "'") {
            for (at += 1; source[at] !== sign; at += 1) if (source[at] === '\\') at += 1;
        } else if (sign === '{' || sign === '[') depth += 1;
        else if (sign === '}' || sign === ']') {
            depth -= 1;
            if (depth === 0) return JSON.parse(JSON.stringify(runInNewContext(`(${source.slice(start, at + 1)})`)));
        }
    }
    throw new Error(`${bundle}: a schema without an end`);
}

/** Each revision has something that no earlier one has. */
function revisionOf(schema) {
    const types = schema.$defs ?? schema.definitions;
    if (types.DiscoverResult) return '2026-07-28';
    if (types.Task) return '2025-11-25';
    if (types.ElicitResult) return '2025-06-18';
    return types.AudioContent ? '2025-03-26' : undefined;
}

// Numbers that came out as whole numbers when the schemas were generated: in NumberSchema, which the specification has
// corrected since, and in the answers to forms, where its own source says `number`.
for (const schema of literals) {
    const { NumberSchema, ElicitResult } = schema.$defs ?? schema.definitions;
    for (const member of Object.values(NumberSchema?.properties ?? {})) if (member.type === 'integer') member.type = 'number';
    const answer = ElicitResult?.properties.content.additionalProperties;
    for (const kind of [answer, ...(answer?.anyOf ?? [])]) {
        if (Array.isArray(kind?.type)) kind.type = kind.type.map(name => (name === 'integer' ? 'number' : name));
    }
}

const schemas = Object.fromEntries(literals.map(schema => [revisionOf(schema), schema]));
const oldest = structuredClone(schemas['2025-03-26']);
delete oldest.definitions.AudioContent;
withoutAudio(oldest);
schemas['2024-11-05'] = oldest;

function withoutAudio(value) {
    if (typeof value !== 'object' || value === null) return;
    if (Array.isArray(value.anyOf)) value.anyOf = value.anyOf.filter(one => one.$ref !== '#/definitions/AudioContent');
    for (const inner of Object.values(value)) withoutAudio(inner);
}

mkdirSync(folder, { recursive: true });
for (const revision of ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28']) {
    if (!schemas[revision]) throw new Error(`${bundle}: no schema of ${revision}`);
    writeFileSync(join(folder, `${revision}.json`), JSON.stringify(schemas[revision]));
}
