// Serves a single-page application on `oidc-client-ts`, as a client without a secret. Prints `ready <port>`; loopback only.
//
// Environment: AUTHMACHINE_URL, AUTHMACHINE_CLIENT_ID, AUTHMACHINE_SCOPE, MONITOR_SESSION (any: `monitorSession`), PORT (0 takes a
// free one).

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const env = process.env;
const settings = {
  authority: env.AUTHMACHINE_URL,
  client_id: env.AUTHMACHINE_CLIENT_ID,
  scope: env.AUTHMACHINE_SCOPE,
  monitorSession: Boolean(env.MONITOR_SESSION),
};
const page = `<!doctype html><meta charset="utf-8"><title>${settings.client_id}</title><link rel="icon" href="data:,">
<p id="status"></p><button id="log-in">Log in</button> <button id="popup">Log in by popup</button> <button id="log-out">Log out</button>
<script src="/oidc-client-ts.js"></script>
<script>window.settings = ${JSON.stringify(settings)}</script>
<script type="module" src="/spa_page.mjs"></script>`;
const script = (path) => ['text/javascript', readFileSync(new URL(path, import.meta.url))];
const files = {
  '/oidc-client-ts.js': script('node_modules/oidc-client-ts/dist/browser/oidc-client-ts.js'),
  '/spa_page.mjs': script('spa_page.mjs'),
};

const server = createServer((request, response) => {
  // Every other address is the page: it looks itself where it is.
  const [type, body] = files[new URL(request.url, 'http://localhost').pathname] ?? ['text/html', page];
  response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
});
server.listen(Number(env.PORT ?? 0), '127.0.0.1', () => console.log(`ready ${server.address().port}`));
