// `oidc-provider` from npm, unmodified, as the foreign provider for our demo client. Its development pages take any
// name and password. Prints `ready <issuer>`; loopback only.
//
// Environment: PORT (0 takes a free one), CLIENT_ID, CLIENT_SECRET, REDIRECT_URIS and POST_LOGOUT_REDIRECT_URIS (separated
// by spaces), CLIENT_AUTH_METHOD (default client_secret_basic).

import { once } from 'node:events';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const env = process.env;
const uris = (text = '') => text.split(/\s+/).filter(Boolean);

const server = createServer();
server.listen(Number(env.PORT ?? 0), '127.0.0.1');
await once(server, 'listening');
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [{
    client_id: env.CLIENT_ID ?? 'test',
    client_secret: env.CLIENT_SECRET ?? 'test',
    redirect_uris: uris(env.REDIRECT_URIS),
    post_logout_redirect_uris: uris(env.POST_LOGOUT_REDIRECT_URIS),
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: env.CLIENT_AUTH_METHOD ?? 'client_secret_basic',
  }],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'preferred_username'] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `${id} of elsewhere`, preferred_username: id, email: `${id}@example.com`, email_verified: true }),
  }),
  features: {
    devInteractions: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
  },
});
server.on('request', provider.callback());
console.log(`ready ${issuer}`);
