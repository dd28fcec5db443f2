// The page that `spa.mjs` serves, in the browser. `window.manager` is the library's.

const { origin, pathname } = location;
const manager = (window.manager = new oidc.UserManager({
  ...settings,
  redirect_uri: `${origin}/callback`,
  popup_redirect_uri: `${origin}/popup`,
  silent_redirect_uri: `${origin}/silent`,
  post_logout_redirect_uri: `${origin}/signed-out`,
  loadUserInfo: true,
  // The test renews when it wants to.
  automaticSilentRenew: false,
  silentRequestTimeoutInSeconds: 10,
  // With `monitorSession`, a frame of the provider's says when the session there is another one.
  checkSessionIntervalInSeconds: 1,
}));
const say = (text) => { document.querySelector('#status').textContent = text; };
const show = (user) => say(user ? `Logged in as ${user.profile.preferred_username}` : 'Not logged in');
manager.events.addUserLoaded(show);
manager.events.addUserUnloaded(() => show(null));
manager.events.addUserSignedOut(() => say('Signed out elsewhere'));

document.querySelector('#log-in').onclick = () => manager.signinRedirect();
document.querySelector('#popup').onclick = () => manager.signinPopup().catch((error) => say(`Failed: ${error}`));
document.querySelector('#log-out').onclick = () => manager.signoutRedirect();

const pages = {
  '/': async () => show(await manager.getUser()),
  '/callback': async () => show(await manager.signinRedirectCallback()),
  '/popup': () => manager.signinPopupCallback(),
  '/silent': () => manager.signinSilentCallback(),
  // Fails unless the provider sends back the state that it was given.
  '/signed-out': async () => { await manager.signoutRedirectCallback(); say('Signed out'); },
};
try {
  await pages[pathname]();
} catch (error) {
  say(`Failed: ${error}`);
}
