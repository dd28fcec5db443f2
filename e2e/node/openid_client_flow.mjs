// A code flow with PKCE by `openid-client`, without a browser: login, ID token, user info, refresh, introspection,
// revocation. Prints one JSON line; any failure is a stack trace and exit code 1.
//
// Environment: AUTHMACHINE_URL, AUTHMACHINE_CLIENT_ID, AUTHMACHINE_CLIENT_SECRET (none: a public client),
// AUTHMACHINE_SCOPE (optional), ID_TOKEN_ALG (default RS256), REDIRECT_URI (nothing needs to listen there), LOGIN_USERNAME, LOGIN_PASSWORD.

import * as client from 'openid-client';
import { logIn } from './browser.mjs';

const env = process.env;
const redirectUri = env.REDIRECT_URI;
const secret = env.AUTHMACHINE_CLIENT_SECRET;
const scope = env.AUTHMACHINE_SCOPE || 'openid email profile';

const config = await client.discovery(
  new URL(env.AUTHMACHINE_URL),
  env.AUTHMACHINE_CLIENT_ID,
  { client_secret: secret, id_token_signed_response_alg: env.ID_TOKEN_ALG ?? 'RS256' },
  secret ? client.ClientSecretBasic(secret) : client.None(),
  // Plain http is for loopback, where the tests run.
  { execute: [client.allowInsecureRequests], timeout: 20 },
);

const pkceCodeVerifier = client.randomPKCECodeVerifier();
const expectedState = client.randomState();
const expectedNonce = client.randomNonce();
const start = client.buildAuthorizationUrl(config, {
  redirect_uri: redirectUri,
  scope,
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
  state: expectedState,
  nonce: expectedNonce,
  // OIDC Core §11: offline access asks for consent.
  ...(scope.split(' ').includes('offline_access') && { prompt: 'consent' }),
});

const callback = await logIn(start, redirectUri, env.LOGIN_USERNAME, env.LOGIN_PASSWORD);
let tokens = await client.authorizationCodeGrant(config, callback, {
  pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true,
});
const claims = tokens.claims();
const result = {
  claims,
  scope: tokens.scope,
  token_type: tokens.token_type,
  userinfo: await client.fetchUserInfo(config, tokens.access_token, claims.sub),
};

if (tokens.refresh_token) {
  const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
  result.refreshed = refreshed.access_token !== tokens.access_token;
  result.refresh_rotated = (refreshed.refresh_token ?? tokens.refresh_token) !== tokens.refresh_token;
  tokens = refreshed;
}

const metadata = config.serverMetadata();
const isActive = async () =>
  (await client.tokenIntrospection(config, tokens.access_token, { token_type_hint: 'access_token' })).active;
// A public client has nothing to authenticate with, so it may not introspect (RFC 7662 §2.1).
const introspects = metadata.introspection_endpoint && secret;
if (introspects) result.active_before_revocation = await isActive();
if (metadata.revocation_endpoint) {
  await client.tokenRevocation(config, tokens.access_token, { token_type_hint: 'access_token' });
  result.userinfo_after_revocation = await client.fetchUserInfo(config, tokens.access_token, claims.sub)
    .then(() => 200, (error) => error.status ?? error.cause?.status ?? String(error));
  if (introspects) result.active_after_revocation = await isActive();
}

console.log(JSON.stringify(result));
