# Was die Seiten sagen, auf Deutsch. Dieselben Nachrichten und Variablen wie in den anderen Dateien: ein Test vergleicht sie.
# Werte kommen abgesetzt und fett an: keine Anführungszeichen darum.

## Überall
error-prefix = Fehler:
error-throttled = Zu viele Versuche. Warten Sie ein wenig: Der nächste zählt in { $wait }.
error-busy = Gerade ist sehr viel los. Bitte versuchen Sie es in ein paar Sekunden noch einmal.
error-form-expired = Diese Seite war zu lange offen oder kam von anderswo. Bitte versuchen Sie es noch einmal.
wait-seconds = { $count ->
    [one] 1 Sekunde
   *[other] { $count } Sekunden
}
wait-minutes = { $count ->
    [one] 1 Minute
   *[other] { $count } Minuten
}
times = { $count ->
    [one] einmal
   *[other] { $count }-mal
}
time = { $day }. { $month ->
    [1] Januar
    [2] Februar
    [3] März
    [4] April
    [5] Mai
    [6] Juni
    [7] Juli
    [8] August
    [9] September
    [10] Oktober
    [11] November
   *[12] Dezember
} { $year }, { $clock } UTC
sign-in = Anmelden
sign-out = Abmelden
go-on = Weiter
to-start-page = Zur Startseite
to-your-account = Zurück zu Ihrem Konto
password-show = Anzeigen
password-hide = Verbergen

## Die Anwendung, die fragt
client-logo = Logo von { $client }
client-home = Website
client-policy = Datenschutzerklärung
client-terms = Nutzungsbedingungen

## Anmeldung
login-title = Anmelden
login-lead-client = und weiter zu { $client }
login-lead-own = mit Ihrem Konto bei { $product }
login-username = Benutzername
login-password = Passwort
login-again = Bitte melden Sie sich noch einmal an: Was Sie vorhaben, braucht eine frische Anmeldung.
login-cancel = Abbrechen und zurück
login-error-credentials = Benutzername und Passwort passen nicht zusammen. Prüfen Sie beides und ob die Feststelltaste aus ist.
login-error-expired = Diese Seite war zu lange offen oder kam von anderswo. Bitte melden Sie sich noch einmal an.
login-error-cookies = Ihr Browser hat unser Cookie nicht zurückgesandt. Erlauben Sie Cookies für diese Seite und melden Sie sich noch einmal an.

## Einwilligung
consent-title = Sind Sie einverstanden?
consent-lead = { $client } möchte Ihr Konto { $username } verwenden.
consent-self-registered = { $client } hat sich hier selbst eingetragen: Niemand hat geprüft, wer hinter diesem Namen steht. Erlauben Sie es nur, wenn Sie { $host } kennen und dorthin wollten.
consent-scopes = Die Anwendung dürfte
consent-objects = und sehen, was Sie dürfen auf
consent-back = Danach geht es weiter zu { $host }.
consent-yes = Erlauben
consent-no = Nicht erlauben
use-another-account = Anderes Konto verwenden
scope-openid = Sie wiedererkennen, wenn Sie zurückkommen
scope-profile = Ihren Namen, Ihr Bild und Ihr übriges Profil sehen
scope-email = Ihre E-Mail-Adresse sehen
scope-address = Ihre Postanschrift sehen
scope-phone = Ihre Telefonnummer sehen
scope-offline-access = mit Ihrem Konto verbunden bleiben, auch wenn Sie nicht da sind
scope-other = die Berechtigung { $scope } nutzen

## Kontowahl
select-title = Konto wählen
select-lead = und weiter zu { $client }
select-continue = Weiter als { $username }

## Zurück zur Anwendung
form-post-title = Es geht zurück
form-post-lead = Sie sind auf dem Weg zu { $host }. Wenn nichts geschieht, geht es mit der Schaltfläche weiter.

## Abmeldung
logout-title = Abmelden?
logout-lead = Das beendet Ihre Sitzung hier und damit den Zugang zu Anwendungen, die sich auf sie verlassen.
logout-lead-client = { $client } möchte Ihre Sitzung hier beenden und damit den Zugang zu Anwendungen, die sich auf sie verlassen.
logout-account = Sie sind angemeldet als { $username }.
logout-yes = Abmelden
logout-no = Angemeldet bleiben
logout-frames-title = Sie werden abgemeldet
logout-frames-lead = Ihre anderen Anwendungen erfahren davon, dann geht es weiter. Wenn nichts geschieht, geht es mit der Schaltfläche weiter.
logout-frames-lead-client = Ihre anderen Anwendungen erfahren davon, dann geht es zurück zu { $client }. Wenn nichts geschieht, geht es mit der Schaltfläche weiter.
logged-out-title = Sie sind abgemeldet
logged-out-lead = Ihre Sitzung hier ist beendet. An einem gemeinsam genutzten Rechner schließen Sie auch das Browserfenster.
logged-out-again = Wieder anmelden

## Startseite
welcome-title = Willkommen
welcome-lead = { $product } meldet Sie bei Ihren Anwendungen an: ein Konto, ein Passwort, an einem Ort.
root-title = Ihr Konto
root-hello = Hallo, { $name }
root-signed-in-as = Angemeldet als { $username }.
root-sessions = Wo Sie angemeldet sind
root-sessions-none = Es gibt keine weitere Sitzung.
root-current = Dieser Browser
root-last-seen = Zuletzt
root-since = Seit
root-address = Von
root-end = Beenden
root-end-label = Sitzung beenden: { $device }, { $address }
root-end-others = Überall sonst abmelden
root-permissions-text = Was Sie dürfen und warum, was Sie verleihen und was Ihnen geliehen wurde.
root-permissions-show = Berechtigungen anzeigen
root-password = Passwort
root-password-text = Wenn Sie es ändern, werden Sie überall sonst abgemeldet.
root-password-change = Passwort ändern
device = { $browser } auf { $system }
device-unknown = Unbekannter Browser
notice-password-changed = Ihr Passwort ist geändert. Andere Sitzungen wurden abgemeldet.
notice-session-ended = Die Sitzung ist beendet.
notice-other-sessions-ended = Sie sind überall sonst abgemeldet.
notice-lent = Es ist verliehen. Sie können es jederzeit zurücknehmen.
notice-taken-back = Es ist zurückgenommen und damit alles, was davon weitergegeben wurde.
notice-given-back = Es ist zurückgegeben.

## Berechtigungen
permissions-title = Ihre Berechtigungen
permissions-lead = Was in diesem Augenblick gilt.
permissions-held = Was Sie dürfen
permissions-none = Sie haben an nichts eine Berechtigung.
permissions-too-many = Sie haben Berechtigungen an mehr, als hier aufgezählt werden kann.
permissions-more = Weitere Objekte
permissions-lend = Verleihen
permissions-lend-label = Verleihen: { $permission } auf { $object }
permissions-received = Ihnen geliehen
permissions-received-none = Niemand leiht Ihnen etwas.
permissions-received-more = Mehr von dem, was Ihnen geliehen ist
permissions-given = Von Ihnen verliehen
permissions-given-none = Sie verleihen nichts.
permissions-given-more = Mehr von dem, was Sie verleihen
why-granted = weil es Ihnen erteilt wurde
why-granted-until = weil es Ihnen bis { $time } erteilt wurde
why-group = weil Sie zu { $group } gehören
why-group-until = weil Sie zu { $group } gehören, bis { $time }
why-group-in = , das zu { $group } gehört
why-everyone = weil es alle dürfen
why-everyone-until = weil es bis { $time } alle dürfen
why-lent = weil { $person } es Ihnen geliehen hat
why-lent-until = weil { $person } es Ihnen bis { $time } geliehen hat
why-all-of = , auf jedem Objekt der Art { $type }
why-above = , auf { $object }, zu dem es gehört
why-implied = , durch { $permission }, das es einschließt
lending-what = { $permission } auf { $object }
lending-from = Von
lending-to = An
lending-until = Bis
lending-hops = Weiter
lending-passed-on = weitergegeben von { $person }
lending-cut = Mehr Menschen haben es hierdurch, als hier aufgezählt sind.
lending-idle-received = Zurzeit ohne Wirkung: Wer es leiht, hat es nicht mehr oder darf es nicht mehr verleihen.
lending-idle-given = Zurzeit ohne Wirkung: Sie haben es nicht mehr oder dürfen es nicht mehr verleihen.
lending-give-back = Zurückgeben
lending-give-back-label = Zurückgeben: { $permission } auf { $object } an { $person }
lending-take-back = Zurücknehmen
lending-take-back-label = Zurücknehmen: { $permission } auf { $object } von { $person }

## Verleihen
lend-title = Eine Berechtigung verleihen
lend-lead = Jemand anders darf eine Zeitlang { $permission } auf { $object }, solange Sie es dürfen.
lend-note = Sie selbst behalten sie und können sie jederzeit zurücknehmen.
lend-to = An wen: Benutzername oder E-Mail-Adresse
lend-until = Bis: Datum und Uhrzeit in UTC
lend-hops = Wie oft sie weitergegeben werden darf
lend-yes = Verleihen
lend-back = Zurück, ohne etwas zu verleihen
lend-error-nobody = An niemanden dieses Namens kann sie verliehen werden. Prüfen Sie die Schreibweise. Nichts wurde verliehen.
lend-error-oneself = Sie haben sie schon: Verliehen wird an jemand anders. Nichts wurde verliehen.
lend-error-not-held = Sie haben diese Berechtigung nicht oder nicht mehr. Nichts wurde verliehen.
lend-error-may-not = Sie haben diese Berechtigung, dürfen sie aber nicht verleihen. Nichts wurde verliehen.
lend-error-off = Hier darf nichts verliehen werden. Nichts wurde verliehen.
lend-error-no-hops = Sie darf nicht weitergegeben werden. Nichts wurde verliehen.
lend-error-hops = Sie darf höchstens { $most }-mal weitergegeben werden. Nichts wurde verliehen.
lend-error-no-end = Sagen Sie, bis wann, mit Datum und Uhrzeit. Nichts wurde verliehen.
lend-error-too-late = Sie darf spätestens bis { $time } verliehen werden. Nichts wurde verliehen.
lend-error-too-soon = Das Ende ist schon vorbei oder weniger als eine Minute entfernt. Nichts wurde verliehen.
lend-error-given = Sie verleihen schon { $most } Berechtigungen, mehr geht nicht. Nehmen Sie erst eine zurück. Nichts wurde verliehen.
lend-error-taken = Dieser Person ist schon so viel geliehen, dass mehr nicht geht. Nichts wurde verliehen.
lend-error-too-much = Ob Sie das verleihen dürfen, hängt von mehr ab, als sich gerade herausfinden lässt. Sagen Sie es denen, die diesen Dienst betreiben. Nichts wurde verliehen.

## Passwort ändern
password-title = Passwort ändern
password-lead = Beliebige { $min } Zeichen oder mehr genügen: Ein paar Wörter hintereinander merken sich leicht. Leerzeichen zählen.
password-current = Bisheriges Passwort
password-new = Neues Passwort
password-save = Passwort ändern
password-back = Zurück, ohne etwas zu ändern
password-error-current = Das bisherige Passwort stimmt nicht. Nichts wurde geändert.
password-error-short = Das neue Passwort ist zu kurz. Es braucht mindestens { $min } Zeichen.
password-error-long = Das neue Passwort ist zu lang. Es darf höchstens { $max } Bytes haben: ein einfacher Buchstabe hat eines, andere bis zu vier.
password-error-own-words = Das neue Passwort enthält Ihren Namen oder unseren. Wählen Sie eines, das niemand daraus errät.
password-error-simple = Das neue Passwort ist eine Wiederholung oder eine einfache Reihe von Zeichen. Wählen Sie eines, das schwerer zu erraten ist.

## Fehler
error-request-id = Anfrage
error-bad-request-title = Das haben wir nicht verstanden
error-bad-request-cause = Die Anfrage, die Sie hierher geführt hat, ist unvollständig oder falsch.
error-bad-request-advice = Gehen Sie zurück zur Anwendung, von der Sie kommen, und beginnen Sie neu. Geschieht es wieder, sagen Sie es denen, die sie betreiben.
error-unknown-client-title = Diese Anwendung kennen wir nicht
error-unknown-client-cause = Die Anwendung, die Sie hierher geschickt hat, ist bei uns nicht oder nicht mehr angemeldet.
error-unknown-client-advice = Prüfen Sie, ob ihre Adresse stimmt. Wenn Sie ihr vertrauen, sagen Sie es denen, die sie betreiben.
error-bad-redirect-uri-title = Die Rückadresse dieser Anwendung ist falsch
error-bad-redirect-uri-cause = Die Adresse, an die Sie zurück sollen, ist bei uns nicht hinterlegt. Zu Ihrer Sicherheit schicken wir Sie nicht dorthin.
error-bad-redirect-uri-advice = Prüfen Sie, ob die Adresse der Anwendung stimmt. Wenn Sie ihr vertrauen, sagen Sie es denen, die sie betreiben.
error-interaction-expired-title = Diese Seite ist abgelaufen
error-interaction-expired-cause = Sie war zu lange offen, wurde schon beantwortet oder gehört zu einem anderen Browser.
error-interaction-expired-advice = Gehen Sie zurück zur Anwendung, von der Sie kommen, und beginnen Sie neu.
error-not-found-title = Hier ist nichts
error-not-found-cause = Keine Seite hat diese Adresse.
error-not-found-advice = Prüfen Sie die Adresse auf Tippfehler oder beginnen Sie auf der Startseite.
error-method-not-allowed-title = Das geht hier nicht
error-method-not-allowed-cause = Diese Adresse gibt es, aber nicht für das, was versucht wurde.
error-method-not-allowed-advice = Gehen Sie zurück und versuchen Sie es noch einmal, oder beginnen Sie auf der Startseite.
error-forbidden-title = Das können wir nicht zulassen
error-forbidden-cause = Ihnen fehlt das Recht dazu, oder die Seite, von der Sie kommen, war zu alt.
error-forbidden-advice = Gehen Sie zurück, laden Sie die Seite neu und versuchen Sie es noch einmal.
error-payload-too-large-title = Das war zu groß
error-payload-too-large-cause = Es wurde mehr gesandt, als diese Seite annimmt.
error-payload-too-large-advice = Gehen Sie zurück, senden Sie weniger und versuchen Sie es noch einmal.
error-unavailable-title = Wir sind gleich wieder da
error-unavailable-cause = Ein Teil unseres Dienstes ist gerade nicht erreichbar. Nichts von dem, was Sie getan haben, ist verloren oder halb geschehen.
error-unavailable-advice = Warten Sie eine Minute und versuchen Sie es dann noch einmal.
error-internal-title = Das war unser Fehler
error-internal-cause = Bei uns ist etwas schiefgegangen.
error-internal-advice = Versuchen Sie es noch einmal. Geschieht es wieder, nennen Sie uns die Nummer unten.
