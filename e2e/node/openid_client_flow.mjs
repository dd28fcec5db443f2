// What `openid-client` does at a provider, with `browser.mjs` as the person: sign-in, user info, refresh, introspection, revocation,
// single sign-on, logout. Prints one JSON line; any failure is a stack trace and exit code 1.
//
// Environment: AUTHMACHINE_URL, AUTHMACHINE_CLIENT_ID (without, it registers itself, by REGISTRATION_TOKEN if there is one),
// AUTHMACHINE_CLIENT_SECRET, CLIENT_AUTH (`client_secret_basic`, `private_key_jwt` or `none`), AUTHMACHINE_SCOPE, RESPONSE_TYPE (`code`,
// `code id_token` or `id_token`: the library has no others), RESPONSE_MODE (default: the type's own), REQUEST_OBJECT (any: the request in a
// signed object), ID_TOKEN_ALG (default RS256), REDIRECT_URI and POST_LOGOUT_REDIRECT_URI (nothing needs to listen there), OWN_SCOPE (what
// to ask for by client credentials, if anything), LOGIN_USERNAME, LOGIN_PASSWORD.

import * as client from 'openid-client';
import { Browser } from './browser.mjs';

const env = process.env;
const scope = env.AUTHMACHINE_SCOPE;
const responseType = env.RESPONSE_TYPE || 'code';
const method = env.CLIENT_AUTH || 'client_secret_basic';

// Its own key, for assertions and request objects.
const { privateKey, publicKey } =
  await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
const signingKey = { key: privateKey, kid: 'own' };
const clientAuth = {
  client_secret_basic: client.ClientSecretBasic(env.AUTHMACHINE_CLIENT_SECRET),
  private_key_jwt: client.PrivateKeyJwt(signingKey),
  none: client.None(),
}[method];
const useResponseType = { code: [], 'code id_token': [client.useCodeIdTokenResponseType], id_token: [client.useIdTokenResponseType] };
// Plain http is for loopback, where the tests run.
const options = { execute: [client.allowInsecureRequests, ...useResponseType[responseType]], timeout: 20 };

/** The client as the operator has registered it. */
const registered = () => client.discovery(new URL(env.AUTHMACHINE_URL), env.AUTHMACHINE_CLIENT_ID, {
  id_token_signed_response_alg: env.ID_TOKEN_ALG || 'RS256',
}, clientAuth, options);

/** The client as it registers itself. */
const register = async () => client.dynamicClientRegistration(new URL(env.AUTHMACHINE_URL), {
  redirect_uris: [env.REDIRECT_URI],
  post_logout_redirect_uris: [env.POST_LOGOUT_REDIRECT_URI],
  response_types: [responseType],
  grant_types: { code: ['authorization_code', 'refresh_token'], 'code id_token': ['authorization_code', 'implicit'], id_token: ['implicit'] }[responseType],
  id_token_signed_response_alg: env.ID_TOKEN_ALG || 'RS256',
  token_endpoint_auth_method: method,
  ...(method === 'private_key_jwt' && { token_endpoint_auth_signing_alg: 'ES256' }),
  ...(env.REQUEST_OBJECT && { request_object_signing_alg: 'ES256', require_signed_request_object: true }),
  jwks: { keys: [{ ...await crypto.subtle.exportKey('jwk', publicKey), key_ops: undefined, ext: undefined, kid: 'own', use: 'sig' }] },
}, clientAuth, { ...options, initialAccessToken: env.REGISTRATION_TOKEN });

const config = await (env.AUTHMACHINE_CLIENT_ID ? registered() : register());
const browser = new Browser(env.LOGIN_USERNAME, env.LOGIN_PASSWORD);

/** One trip to the authorization endpoint: what came back, and the library's verdict on it. */
async function signIn(more = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const expectedNonce = client.randomNonce();
  const parameters = {
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
  };
  const start = env.REQUEST_OBJECT
    ? await client.buildAuthorizationUrlWithJAR(config, parameters, signingKey)
    : client.buildAuthorizationUrl(config, parameters);
  const back = await browser.go(start, env.REDIRECT_URI);
  const cameBy = back.method === 'POST' ? 'form' : new URL(back.url).hash ? 'fragment' : 'query';
  if (responseType === 'id_token') {
    const answer = new URLSearchParams(cameBy === 'form' ? await back.clone().text() : new URL(back.url).hash.slice(1));
    const claims = await client.implicitAuthentication(config, back, expectedNonce, { expectedState });
    return { cameBy, claims, idToken: answer.get('id_token') };
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
const result = {
  registered: config.clientMetadata(),
  came_by: first.cameBy,
  claims,
  silent_subject: (await signIn({ prompt: 'none' })).claims.sub,
};

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
  if (method !== 'none') result.active_before_revocation = await isActive();
  await client.tokenRevocation(config, tokens.access_token, { token_type_hint: 'access_token' });
  result.userinfo_after_revocation = await userInfoStatus();
  if (method !== 'none') result.active_after_revocation = await isActive();
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
