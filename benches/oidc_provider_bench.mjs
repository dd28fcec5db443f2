// `oidc-provider` from npm, unmodified, as a provider under load: production mode, one process, an adapter in memory. Loopback only.
//
// In its favour: nothing waits for a disk; a sign-in checks no password and consent is given with it; the adapter is a `Map`
// without the limit of 1,000 entries that the package's own has, and without that one's walk over all tokens of a grant.
//
// Environment: PORT, CLIENTS (`id=algorithm`, separated by spaces), CLIENT_SECRET, REDIRECT_URI, POST_LOGOUT_REDIRECT_URI.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const env = process.env;
const issuer = `http://127.0.0.1:${env.PORT}`;

const stored = new Map();
const byGrant = new Map();
const byUid = new Map();

class Adapter {
  constructor(model) { this.model = model; }

  key(id) { return `${this.model}:${id}`; }

  async upsert(id, payload) {
    const key = this.key(id);
    stored.set(key, payload);
    if (payload.uid) byUid.set(payload.uid, id);
    if (payload.grantId && this.model !== 'Session') {
      if (!byGrant.has(payload.grantId)) byGrant.set(payload.grantId, new Set());
      byGrant.get(payload.grantId).add(key);
    }
  }

  async find(id) { return stored.get(this.key(id)); }

  async findByUid(uid) { return this.find(byUid.get(uid)); }

  async findByUserCode() { return undefined; }

  async consume(id) { stored.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }

  async destroy(id) { stored.delete(this.key(id)); }

  async revokeByGrantId(grantId) {
    for (const key of byGrant.get(grantId) ?? []) stored.delete(key);
    byGrant.delete(grantId);
  }
}

const jwk = (...kind) => generateKeyPairSync(...kind).privateKey.export({ format: 'jwk' });
const keys = [
  { ...jwk('rsa', { modulusLength: 2048 }), use: 'sig', alg: 'RS256', kid: 'rs256' },
  { ...jwk('ec', { namedCurve: 'P-256' }), use: 'sig', alg: 'ES256', kid: 'es256' },
];

const provider = new Provider(issuer, {
  adapter: Adapter,
  jwks: { keys },
  clients: env.CLIENTS.split(' ').map((pair) => pair.split('=')).map(([id, algorithm]) => ({
    client_id: id,
    client_secret: env.CLIENT_SECRET,
    redirect_uris: [env.REDIRECT_URI],
    post_logout_redirect_uris: [env.POST_LOGOUT_REDIRECT_URI],
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_basic',
    id_token_signed_response_alg: algorithm,
  })),
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: id, preferred_username: id, email: `${id}@example.com`, email_verified: true }),
  }),
  cookies: { keys: ['a key of the benches'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  // As ours does: a refresh token for every client that may have one, rotated at each use; no PKCE where there is a nonce.
  issueRefreshToken: async (_, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: () => true,
  pkce: { required: () => false },
  ttl: { AuthorizationCode: 600, AccessToken: 3600, RefreshToken: 1_209_600, IdToken: 600, Session: 43_200, Grant: 1_209_600, Interaction: 1800 },
});

const page = '<form method="post"><input name="login"><button>Sign in</button></form>';

// The page that a person signs in on; consent comes with it.
async function interaction(request, response) {
  const { uid, params } = await provider.interactionDetails(request, response);
  if (request.method === 'GET') {
    response.setHeader('Content-Type', 'text/html');
    return response.end(page);
  }
  let body = '';
  for await (const chunk of request) body += chunk;
  const accountId = new URLSearchParams(body).get('login');
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const grantId = await grant.save();
  const result = { login: { accountId }, consent: { grantId } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false, uid });
}

const callback = provider.callback();
createServer((request, response) => {
  if (request.url.startsWith('/interaction/')) {
    interaction(request, response).catch((error) => {
      response.statusCode = 500;
      response.end(String(error));
    });
  } else {
    callback(request, response);
  }
}).listen(Number(env.PORT), '127.0.0.1');
