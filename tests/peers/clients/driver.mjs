// What the TypeScript driver clients share: arguments, the order of steps, the tap on the wire, the report.
//
// A driver does what a real client does, through the SDK's own methods, and reports what the server
// really sent: results come from the tap, before the SDK has parsed and trimmed them.

import { setTimeout as sleep } from 'node:timers/promises';

const USAGE = `(--http URL | --stdio CMD ARGS...) must come last; before it, in any order and repeated at will:
  --call NAME JSON          call a tool            --read URI           read a resource
  --prompt NAME JSON        get a prompt           --ping               ping (legacy only)
  --complete prompt:NAME|template:URI ARGUMENT VALUE
  --call-cancel NAME JSON MS                       call a tool and give up after MS
  --expect-list-changed SECONDS [--trigger NAME JSON]
  --header 'Name: value'    --timeout MS           --no-lists           skip the lists
  --no-asks                 declare no sampling, elicitation and roots
  --elicit accept|decline|cancel                   how forms are answered (accept)
  --mode MODE               where the client has modes
  --transport http|sse|ws   how URL is spoken to (http; ts1 only)
  --break-stream            cut the first event stream of a call after its first event (ts1 only)
  --wire                    add every message to the report`;

/** Reads the command line. Actions keep their order. */
export function readArguments(argv, modes = []) {
    const options = { mode: modes[0], headers: {}, timeout: 15_000, actions: [], asks: true, lists: true, elicit: 'accept', transport: 'http' };
    const rest = [...argv];
    const take = () => rest.shift() ?? usage('an argument is missing');
    const takeJson = () => JSON.parse(take());
    const flags = {
        '--http': () => (options.http = take()),
        '--stdio': () => (options.stdio = rest.splice(0)),
        '--mode': () => (options.mode = take()),
        '--header': () => {
            const [, name, value] = /^([^:]+):\s*(.*)$/.exec(take()) ?? usage('--header wants "Name: value"');
            options.headers[name] = value;
        },
        '--timeout': () => (options.timeout = Number(take())),
        '--no-asks': () => (options.asks = false),
        '--no-lists': () => (options.lists = false),
        '--elicit': () => (options.elicit = take()),
        '--transport': () => (options.transport = take()),
        '--break-stream': () => (options.breaks = true),
        '--wire': () => (options.wire = true),
        '--ping': () => options.actions.push({ kind: 'ping' }),
        '--call': () => options.actions.push({ kind: 'call', name: take(), args: takeJson() }),
        '--call-cancel': () =>
            options.actions.push({ kind: 'call', name: take(), args: takeJson(), cancelAfter: Number(take()) }),
        '--read': () => options.actions.push({ kind: 'read', uri: take() }),
        '--prompt': () => options.actions.push({ kind: 'prompt', name: take(), args: takeJson() }),
        '--complete': () => {
            const [, type, name] = /^(prompt|template):(.*)$/.exec(take()) ?? usage('--complete wants prompt: or template:');
            const ref = type === 'prompt' ? { type: 'ref/prompt', name } : { type: 'ref/resource', uri: name };
            options.actions.push({ kind: 'complete', ref, argument: { name: take(), value: take() } });
        },
        '--expect-list-changed': () => options.actions.push({ kind: 'listChanged', seconds: Number(take()) }),
        '--trigger': () => {
            const last = options.actions.at(-1);
            if (last?.kind !== 'listChanged') usage('--trigger follows --expect-list-changed');
            last.trigger = { name: take(), args: takeJson() };
        }
    };
    while (rest.length > 0) {
        const flag = rest.shift();
        (flags[flag] ?? (() => usage(`unknown argument ${flag}`)))();
    }
    if (!options.http && !options.stdio?.length) usage('no server given');
    if (!['http', 'sse', 'ws'].includes(options.transport)) usage('--transport is http, sse or ws');
    if (modes.length > 0 && !modes.includes(options.mode)) usage(`--mode is one of ${modes.join(', ')}`);
    return options;
}

function usage(problem) {
    console.error(`${problem}\n${USAGE}`);
    process.exit(2);
}

/** Records every message of a transport, in both directions, as it passes. */
export function tap(transport) {
    const messages = [];
    const listeners = new Set();
    const note = (direction, message) => {
        messages.push({ direction, at: performance.now(), message });
        for (const listen of listeners) listen(direction, message);
    };
    const send = transport.send.bind(transport);
    transport.send = (message, options) => {
        for (const one of [message].flat()) note('out', structuredClone(one));
        return send(message, options);
    };
    let deliver;
    Object.defineProperty(transport, 'onmessage', {
        configurable: true,
        get: () => deliver,
        set: next => {
            deliver = next && ((message, extra) => (note('in', structuredClone(message)), next(message, extra)));
        }
    });
    return { messages, listeners };
}

/** A fetch that cuts the first event stream it is answered to a POST, right behind its first event with data. */
export function breaking(options) {
    options.broken = [];
    return async (url, init) => {
        const cut = new AbortController();
        const signal = init?.signal ? AbortSignal.any([init.signal, cut.signal]) : cut.signal;
        const response = await fetch(url, { ...init, signal });
        const stream = response.headers.get('content-type')?.startsWith('text/event-stream');
        const last = new Headers(init?.headers).get('last-event-id');
        if (last) options.broken.push({ resumedAfter: last });
        if (init?.method !== 'POST' || !stream || options.broken.length > 0) return response;
        options.broken.push({ cut: true });
        const reader = response.body.getReader();
        const decoder = new TextDecoder();
        let text = '';
        const body = new ReadableStream({
            async pull(controller) {
                const { done, value } = await reader.read();
                if (done) return controller.close();
                text += decoder.decode(value, { stream: true });
                controller.enqueue(value);
                if (/^data: ?\{.*\n\n/m.test(text)) {
                    // What was handed over is read before the break is noticed.
                    setTimeout(() => (cut.abort(), controller.error(new TypeError('cut'))), 20);
                    await new Promise(() => {});
                }
            }
        });
        return new Response(body, { status: response.status, headers: response.headers });
    };
}

/** The answers a client gives when it is asked, and the record of the asking. */
export function answers(how) {
    const asked = [];
    const record = (method, params, reply) => (asked.push({ method, params, reply }), reply);
    return {
        asked,
        elicit: params => {
            const accepted = params.mode === 'url' ? { action: 'accept' } : { action: 'accept', content: fill(params.requestedSchema) };
            return record('elicitation/create', params, how === 'accept' ? accepted : { action: how });
        },
        sample: params => {
            const last = [params.messages.at(-1)?.content].flat()[0];
            const text = `sampled: ${last?.text ?? ''}`;
            return record('sampling/createMessage', params, {
                role: 'assistant',
                model: 'peer-model',
                stopReason: 'endTurn',
                content: { type: 'text', text }
            });
        },
        roots: params => record('roots/list', params, { roots: [{ uri: 'file:///peer/root', name: 'root' }] })
    };
}

/** One plausible value per field: the default, else the first choice, else something of the type. */
export function fill(schema) {
    const plain = { string: 'peer', integer: 7, number: 7.5, boolean: true };
    const choice = field => field.enum?.[0] ?? (field.oneOf ?? field.anyOf)?.[0]?.const;
    const value = field => field.default ?? choice(field) ?? (field.type === 'array' ? [choice(field.items)] : plain[field.type]);
    return Object.fromEntries(Object.entries(schema?.properties ?? {}).map(([name, field]) => [name, value(field)]));
}

/**
 * Runs the steps and prints the report. `client` is what an SDK adapter offers:
 * connect() -> facts, list(kind), call(name, args, options), read(uri), prompt(name, args),
 * complete(ref, argument), ping(), listen() and close().
 */
export async function drive({ peer, options, client, wire, asked }) {
    const report = { ok: false, peer, mode: options.mode, failures: [] };
    const fail = (step, error) => report.failures.push({ step, ...described(error) });
    const seen = watch(wire, report);
    // A step that hangs must not hang the test with it.
    const guard = setTimeout(() => finish('the driver ran out of time'), options.timeout * (options.actions.length + 3));

    async function finish(problem) {
        clearTimeout(guard);
        if (problem) fail('driver', new Error(problem));
        report.ok = report.failures.length === 0;
        report.asks = asked;
        report.broken = options.broken;
        report.notifications = wire.messages.filter(incomingNotification).map(({ message }) => message);
        if (options.wire) report.wire = wire.messages;
        await new Promise(done => process.stdout.write(`${JSON.stringify(report)}\n`, done));
        process.exit(report.ok ? 0 : 1);
    }

    try {
        const start = performance.now();
        report.connected = { ...(await client.connect()), ms: since(start) };
    } catch (error) {
        fail('connect', error);
        return finish();
    }
    if (options.lists) {
        for (const kind of ['tools', 'prompts', 'resources', 'resourceTemplates']) {
            await seen.list(kind, () => client.list(kind)).catch(error => fail(`list ${kind}`, error));
        }
    }
    for (const action of options.actions) {
        await act(action, client, seen, options).catch(error => fail(`${action.kind} ${action.name ?? action.uri ?? ''}`.trim(), error));
    }
    await client.close().catch(error => fail('close', error));
    await finish();
}

async function act(action, client, seen, options) {
    const { name, args } = action;
    switch (action.kind) {
        case 'call':
            return call(action, client, seen, options);
        case 'read':
            return seen.one('reads', 'resources/read', { uri: action.uri }, () => client.read(action.uri));
        case 'prompt':
            return seen.one('gets', 'prompts/get', { name, arguments: args }, () => client.prompt(name, args));
        case 'complete': {
            const { ref, argument } = action;
            return seen.one('completions', 'completion/complete', { ref, argument }, () => client.complete(ref, argument));
        }
        case 'ping':
            return seen.one('pings', 'ping', {}, () => client.ping());
        case 'listChanged':
            return expectListChanged(action, client, seen, options);
    }
}

async function call({ name, args, cancelAfter }, client, seen, options) {
    const progress = [];
    const limits = { timeout: options.timeout, resetTimeoutOnProgress: true, onprogress: update => progress.push(update) };
    if (cancelAfter !== undefined) limits.signal = AbortSignal.timeout(cancelAfter);
    const entry = { name, arguments: args, progress };
    const calling = seen.one('calls', 'tools/call', entry, () => client.call(name, args, limits));
    if (cancelAfter === undefined) return calling;
    await calling.catch(() => (entry.cancelled = true));
    // The cancellation is on its way; leaving at once would race it.
    await sleep(100);
}

async function expectListChanged({ seconds, trigger }, client, seen, options) {
    const changed = seen.next('notifications/tools/list_changed', seconds * 1000);
    await client.listen();
    const start = performance.now();
    if (trigger) await call(trigger, client, seen, options);
    const at = await changed;
    seen.report.listChanged = { arrived: at !== undefined, ms: at === undefined ? null : Math.round(at - start) };
    if (at === undefined) throw new Error(`no list change within ${seconds} s`);
}

/** Pairs each step with what crossed the wire while it ran. Steps run one after another. */
function watch(wire, report) {
    function repliesSince(mark, method) {
        const recent = wire.messages.slice(mark);
        const ids = new Set(recent.filter(({ direction, message }) => direction === 'out' && message.method === method).map(({ message }) => message.id));
        return recent.filter(({ direction, message }) => direction === 'in' && !message.method && ids.has(message.id)).map(({ message }) => message);
    }
    return {
        report,
        async one(section, method, entry, step) {
            const mark = wire.messages.length;
            const start = performance.now();
            (report[section] ??= []).push(entry);
            try {
                await step();
            } catch (error) {
                entry.threw = described(error);
                throw error;
            } finally {
                const replies = repliesSince(mark, method);
                const last = replies.at(-1);
                Object.assign(entry, { result: last?.result ?? null, error: last?.error ?? null, rounds: replies.length, ms: since(start) });
            }
        },
        async list(kind, step) {
            const mark = wire.messages.length;
            await step();
            const method = kind === 'resourceTemplates' ? 'resources/templates/list' : `${kind}/list`;
            const pages = repliesSince(mark, method).filter(reply => reply.result);
            // Not asked at all means that the server does not offer the capability.
            report[kind] = pages.length === 0 ? null : { items: pages.flatMap(({ result }) => result[kind]), pages: pages.length };
        },
        next(method, ms) {
            return new Promise(resolve => {
                const done = at => (wire.listeners.delete(listen), clearTimeout(timer), resolve(at));
                const listen = (direction, message) => direction === 'in' && message.method === method && done(performance.now());
                const timer = setTimeout(() => done(undefined), ms);
                wire.listeners.add(listen);
            });
        }
    };
}

const incomingNotification = ({ direction, message }) => direction === 'in' && message.method && message.id === undefined;
const since = start => Math.round(performance.now() - start);

function described(error) {
    const { name, message, code, data, status } = error;
    const cause = error.cause ? String(error.cause.message ?? error.cause) : undefined;
    return { error: name, message, code, data, status, cause };
}
