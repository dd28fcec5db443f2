# What the pages say, in English. Same messages, same variables as in the other files: a test compares them.
# Values come isolated and in bold: no quotation marks around them.

## Everywhere
error-prefix = Error:
error-throttled = Too many tries. Wait a little: the next one counts in { $wait }.
error-busy = We are very busy just now. Please try again in a few seconds.
error-form-expired = You took longer than this page lasts, or it came from somewhere else. Please try once more.
wait-seconds = { $count ->
    [one] 1 second
   *[other] { $count } seconds
}
wait-minutes = { $count ->
    [one] 1 minute
   *[other] { $count } minutes
}
times = { $count ->
    [one] once
   *[other] { $count } times
}
time = { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
} { $year }, { $clock } UTC
sign-in = Sign in
sign-out = Sign out
go-on = Continue
to-start-page = Go to the start page
to-your-account = Back to your account
password-show = Show
password-hide = Hide

## The app that asks
client-logo = Logo of { $client }
client-home = Website
client-policy = Privacy policy
client-terms = Terms of use

## Login
login-title = Sign in
login-lead-client = to go on to { $client }
login-lead-own = with your { $product } account
login-username = Username
login-password = Password
login-again = Please sign in once more: what you are about to do needs a recent sign-in.
login-cancel = Cancel and go back
login-error-credentials = Username and password do not match. Check both, and that Caps Lock is off.
login-error-expired = You took longer than this page lasts, or it came from somewhere else. Please sign in once more.
login-error-cookies = Your browser did not send our cookie back. Allow cookies for this site, then sign in once more.

## Consent
consent-title = Do you agree?
consent-lead = { $client } would like to use your account { $username }.
consent-self-registered = { $client } registered itself: nobody here has checked who is behind this name. Allow it only if you know { $host } and meant to go there.
consent-scopes = It would be allowed to
consent-objects = and to see what you may do on
consent-back = Afterwards you go on to { $host }.
consent-yes = Allow
consent-no = Do not allow
use-another-account = Use another account
scope-openid = recognise you when you come back
scope-profile = see your name, picture and the rest of your profile
scope-email = see your email address
scope-address = see your postal address
scope-phone = see your phone number
scope-offline-access = stay connected to your account while you are away
scope-other = use the permission { $scope }

## Choice of account
select-title = Choose an account
select-lead = to go on to { $client }
select-continue = Go on as { $username }

## Back to the application
form-post-title = Going back
form-post-lead = You are on your way to { $host }. If nothing happens, go on by the button.

## Logout
logout-title = Sign out?
logout-lead = This ends your session here, and with it your way into apps that rely on it.
logout-lead-client = { $client } asks to end your session here, and with it your way into apps that rely on it.
logout-account = You are signed in as { $username }.
logout-yes = Sign out
logout-no = Stay signed in
logout-frames-title = Signing you out
logout-frames-lead = Your other apps are being told, then you go on. If nothing happens, go on by the button.
logout-frames-lead-client = Your other apps are being told, then you go back to { $client }. If nothing happens, go on by the button.
logged-out-title = You are signed out
logged-out-lead = Your session here has ended. On a shared computer, close the browser window as well.
logged-out-again = Sign in again

## Start page
welcome-title = Welcome
welcome-lead = { $product } signs you in to your apps: one account, one password, in one place.
root-title = Your account
root-hello = Hello, { $name }
root-signed-in-as = Signed in as { $username }.
root-sessions = Where you are signed in
root-sessions-none = There is no other session.
root-current = This browser
root-last-seen = Last seen
root-since = Since
root-address = From
root-end = End
root-end-label = End the session { $device }, { $address }
root-end-others = Sign out everywhere else
root-permissions-text = What you may do and why, what you lend, and what was lent to you.
root-permissions-show = Show permissions
root-password = Password
root-password-text = Changing it signs you out everywhere else.
root-password-change = Change password
device = { $browser } on { $system }
device-unknown = Unknown browser
notice-password-changed = Your password is changed. Other sessions have been signed out.
notice-session-ended = The session has ended.
notice-other-sessions-ended = You are signed out everywhere else.
notice-lent = It is lent. You can take it back at any time.
notice-taken-back = It is taken back, and with it all that was passed on from it.
notice-given-back = It is given back.

## Permissions
permissions-title = Your permissions
permissions-lead = What counts at this moment.
permissions-held = What you may do
permissions-none = You hold no permission on anything.
permissions-too-many = You hold permissions on more than can be listed here.
permissions-more = More objects
permissions-lend = Lend
permissions-lend-label = Lend { $permission } on { $object }
permissions-received = Lent to you
permissions-received-none = Nobody lends you anything.
permissions-received-more = More of what is lent to you
permissions-given = Lent by you
permissions-given-none = You lend nothing.
permissions-given-more = More of what you lend
why-granted = because it was granted to you
why-granted-until = because it was granted to you until { $time }
why-group = because you are in { $group }
why-group-until = because you are in { $group }, until { $time }
why-group-in = , which is in { $group }
why-everyone = because everyone may
why-everyone-until = because everyone may until { $time }
why-lent = because { $person } lent it to you
why-lent-until = because { $person } lent it to you until { $time }
why-all-of = , on every object of the type { $type }
why-above = , on { $object }, which it is in
why-implied = , by { $permission }, which includes it
lending-what = { $permission } on { $object }
lending-from = From
lending-to = To
lending-until = Until
lending-hops = May go on
lending-passed-on = passed on by { $person }
lending-cut = More people have it through this than are listed here.
lending-idle-received = Without effect at present: whoever lends it does not hold it, or may not lend it, any more.
lending-idle-given = Without effect at present: you do not hold it, or may not lend it, any more.
lending-give-back = Give back
lending-give-back-label = Give back { $permission } on { $object } to { $person }
lending-take-back = Take back
lending-take-back-label = Take back { $permission } on { $object } from { $person }

## Lending
lend-title = Lend a permission
lend-lead = Somebody else may do { $permission } on { $object } for a while, as long as you may.
lend-note = You keep it yourself, and you can take it back at any time.
lend-to = To whom: a username or email address
lend-until = Until: date and time in UTC
lend-hops = How many times it may be passed on
lend-yes = Lend
lend-back = Back, and lend nothing
lend-error-nobody = It cannot be lent to anybody of that name. Check the spelling. Nothing was lent.
lend-error-oneself = You hold it already: it is lent to somebody else. Nothing was lent.
lend-error-not-held = You do not hold this permission, or not any more. Nothing was lent.
lend-error-may-not = You hold this permission, but you may not lend it. Nothing was lent.
lend-error-off = Nothing may be lent here. Nothing was lent.
lend-error-no-hops = It may not be passed on. Nothing was lent.
lend-error-hops = It may be passed on { $most } times at most. Nothing was lent.
lend-error-no-end = Say until when, with date and time. Nothing was lent.
lend-error-too-late = It may be lent until { $time } at the latest. Nothing was lent.
lend-error-too-soon = The end is over already, or less than a minute away. Nothing was lent.
lend-error-given = You lend { $most } permissions already, which is the limit. Take one back first. Nothing was lent.
lend-error-taken = So much is lent to this person already that no more is possible. Nothing was lent.
lend-error-too-much = Whether you may lend this depends on more than can be found out just now. Tell the people who run this service. Nothing was lent.

## Change of password
password-title = Change password
password-lead = Any { $min } characters or more will do: a few words in a row are easy to keep in mind. Spaces count.
password-current = Current password
password-new = New password
password-save = Change password
password-back = Back, and change nothing
password-error-current = The current password is not right. Nothing was changed.
password-error-short = The new password is too short. It needs at least { $min } characters.
password-error-long = The new password is too long. It may have at most { $max } bytes: a plain letter has one, others up to four.
password-error-own-words = The new password contains your name or ours. Choose one that nobody can guess from them.
password-error-simple = The new password is a repetition or a simple row of characters. Choose one that is harder to guess.

## Errors
error-request-id = Request
error-bad-request-title = We did not understand that
error-bad-request-cause = The request that brought you here is incomplete or wrong.
error-bad-request-advice = Go back to the app you came from and start again. If it happens again, tell the people who run that app.
error-unknown-client-title = We do not know this app
error-unknown-client-cause = The app that sent you here is not registered with us, or no longer.
error-unknown-client-advice = Check that its address is right. If you trust the app, tell the people who run it.
error-bad-redirect-uri-title = This app sent you with a wrong return address
error-bad-redirect-uri-cause = The address it wants you back at is not one it has registered. For your safety we do not send you there.
error-bad-redirect-uri-advice = Check that the app’s address is right. If you trust the app, tell the people who run it.
error-interaction-expired-title = This page has expired
error-interaction-expired-cause = It was open for too long, was answered already, or belongs to another browser.
error-interaction-expired-advice = Go back to the app you came from and start again.
error-not-found-title = There is nothing here
error-not-found-cause = No page has this address.
error-not-found-advice = Check the address for a typing error, or begin at the start page.
error-method-not-allowed-title = That does not work here
error-method-not-allowed-cause = This address exists, but not for what was tried.
error-method-not-allowed-advice = Go back and try again, or begin at the start page.
error-forbidden-title = We cannot let you do that
error-forbidden-cause = You lack the right to it, or the page you came from was too old.
error-forbidden-advice = Go back, load the page anew and try again.
error-payload-too-large-title = That was too big
error-payload-too-large-cause = More was sent than this page takes.
error-payload-too-large-advice = Go back, send less, and try again.
error-unavailable-title = We will be right back
error-unavailable-cause = A part of our service is out of reach for the moment. Nothing you did is lost or half done.
error-unavailable-advice = Wait a minute, then try again.
error-internal-title = That was our mistake
error-internal-cause = Something on our side went wrong.
error-internal-advice = Try again. If it happens again, tell us the number below.
