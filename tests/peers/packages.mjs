// Lets a fixture in a read-only checkout import packages that install.sh put into the cache folder.
//
// Bare specifiers are resolved as if the importing file lay in `$TRUNKLINE_PEERS/npm/<group>/`.
// Call `use('v2')` first and import the packages afterwards with `await import(...)`.

import { existsSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The cache folder, found the same way install.sh finds it. */
export const peers =
    process.env.TRUNKLINE_PEERS ??
    join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'trunkline', 'peers');

/** Resolves bare imports of our own files from one group of packages: suite, v2 or legacy. */
export function use(group) {
    const folder = join(peers, 'npm', group);
    if (!existsSync(join(folder, 'node_modules'))) {
        console.error(`no packages in ${folder}; run tests/peers/install.sh (or set TRUNKLINE_PEERS)`);
        process.exit(2);
    }
    const parentURL = pathToFileURL(join(folder, 'index.mjs')).href;
    const ours = new URL('.', import.meta.url).href;
    registerHooks({
        resolve(specifier, context, next) {
            const bare = /^[@a-z]/i.test(specifier) && !specifier.includes(':');
            return next(specifier, bare && context.parentURL?.startsWith(ours) ? { ...context, parentURL } : context);
        }
    });
}
