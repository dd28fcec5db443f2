// What `openid-client` does at a provider, with `browser.mjs` as the person: sign-in, user info, refresh, introspection, revocation,
// single sign-on, logout. Prints one JSON line; any failure is a stack trace and exit code 1.
//
// Environment: AUTHMACHINE_URL, AUTHMACHINE_CLIENT_ID, AUTHMACHINE_CLIENT_SECRET (none: a public client), AUTHMACHINE_SCOPE,
// RESPONSE_TYPE (`code`, `code id_token` or `id_token`: the library has no others), RESPONSE_MODE (default: the type's own), ID_TOKEN_ALG
// (default RS256), REDIRECT_URI and POST_LOGOUT_REDIRECT_URI (nothing needs to listen there), OWN_SCOPE (what to ask for by client
// credentials, if anything), LOGIN_USERNAME, LOGIN_PASSWORD.

import * as client from 'openid-client';
import { Browser } from './browser.mjs';

const env = process.env;
const secret = env.AUTHMACHINE_CLIENT_SECRET;
const scope = env.AUTHMACHINE_SCOPE;
const responseType = env.RESPONSE_TYPE || 'code';
const useResponseType = { code: [], 'code id_token': [client.useCodeIdTokenResponseType], id_token: [client.useIdTokenResponseType] };

const config = await client.discovery(
  new URL(env.AUTHMACHINE_URL),
  env.AUTHMACHINE_CLIENT_ID,
  { client_secret: secret, id_token_signed_response_alg: env.ID_TOKEN_ALG || 'RS256' },
  secret ? client.ClientSecretBasic(secret) : client.None(),
  // Plain http is for loopback, where the tests run.
  { execute: [client.allowInsecureRequests, ...useResponseType[responseType]], timeout: 20 },
);
const browser = new Browser(env.LOGIN_USERNAME, env.LOGIN_PASSWORD);

/** One trip to the authorization endpoint: what came back, and the library's verdict on it. */
async function signIn(more = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const expectedNonce = client.randomNonce();
  const start = client.buildAuthorizationUrl(config, {
    redirect_uri: env.REDIRECT_URI,
    scope,
    state: expectedState,
    nonce: expectedNonce,
    ...(responseType !== 'id_token' && {
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    }),
    ...(env.RESPONSE_MODE && { response_mode: env.RESPONSE_MODE }),
    ...more,
  });
  const back = await browser.go(start, env.REDIRECT_URI);
  const cameBy = back.method === 'POST' ? 'form' : new URL(back.url).hash ? 'fragment' : 'query';
  if (responseType === 'id_token') {
    const parameters = new URLSearchParams(cameBy === 'form' ? await back.clone().text() : new URL(back.url).hash.slice(1));
    const claims = await client.implicitAuthentication(config, back, expectedNonce, { expectedState });
    return { cameBy, claims, idToken: parameters.get('id_token') };
  }
  const tokens = await client.authorizationCodeGrant(config, back, {
    pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true,
  });
  return { cameBy, claims: tokens.claims(), idToken: tokens.id_token, tokens };
}

// OIDC Core §11: offline access asks for consent.
const first = await signIn(scope.split(' ').includes('offline_access') ? { prompt: 'consent' } : {});
let { tokens } = first;
const { claims, idToken } = first;
const result = { came_by: first.cameBy, claims, silent_subject: (await signIn({ prompt: 'none' })).claims.sub };

const userInfoStatus = () => client.fetchUserInfo(config, tokens.access_token, claims.sub)
  .then(() => 200, (error) => error.status ?? error.cause?.status ?? String(error));
const isActive = async () =>
  (await client.tokenIntrospection(config, tokens.access_token, { token_type_hint: 'access_token' })).active;
if (tokens) {
  result.scope = tokens.scope;
  result.token_type = tokens.token_type;
  result.userinfo = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
  if (tokens.refresh_token) {
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
    result.refreshed = refreshed.access_token !== tokens.access_token;
    result.refresh_rotated = (refreshed.refresh_token ?? tokens.refresh_token) !== tokens.refresh_token;
    tokens = refreshed;
  }
  // A public client has nothing to authenticate with, so it may not introspect (RFC 7662 §2.1).
  if (secret) result.active_before_revocation = await isActive();
  await client.tokenRevocation(config, tokens.access_token, { token_type_hint: 'access_token' });
  result.userinfo_after_revocation = await userInfoStatus();
  if (secret) result.active_after_revocation = await isActive();
}
if (env.OWN_SCOPE) {
  const own = await client.clientCredentialsGrant(config, { scope: env.OWN_SCOPE });
  const { active, client_id, sub } = await client.tokenIntrospection(config, own.access_token);
  result.own = { scope: own.scope, active, client_id, about_a_person: sub !== undefined && sub !== client_id };
}

const logout = client.buildEndSessionUrl(config, {
  post_logout_redirect_uri: env.POST_LOGOUT_REDIRECT_URI, state: 'the state', id_token_hint: idToken,
});
const out = new URL((await browser.go(logout, env.POST_LOGOUT_REDIRECT_URI)).url);
result.logout_state_returned = out.searchParams.get('state') === 'the state';
result.after_logout = await signIn({ prompt: 'none' }).then(() => 'signed in', (error) => error.error ?? error.cause?.error ?? String(error));

console.log(JSON.stringify(result));
