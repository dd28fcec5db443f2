# Was die Seiten sagen, auf Deutsch. Dieselben Nachrichten und Variablen wie in den anderen Dateien: ein Test vergleicht sie.
# Werte kommen abgesetzt und fett an: keine Anführungszeichen darum.

## Überall
error-prefix = Fehler:
error-throttled = Zu viele Versuche. Warten Sie ein wenig: Der nächste zählt in { $wait }.
error-busy = Gerade ist sehr viel los. Bitte versuchen Sie es in ein paar Sekunden noch einmal.
wait-seconds = { $count ->
    [one] 1 Sekunde
   *[other] { $count } Sekunden
}
wait-minutes = { $count ->
    [one] 1 Minute
   *[other] { $count } Minuten
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
root-password = Passwort
root-password-text = Wenn Sie es ändern, werden Sie überall sonst abgemeldet.
root-password-change = Passwort ändern
device = { $browser } auf { $system }
device-unknown = Unbekannter Browser
notice-password-changed = Ihr Passwort ist geändert. Andere Sitzungen wurden abgemeldet.
notice-session-ended = Die Sitzung ist beendet.
notice-other-sessions-ended = Sie sind überall sonst abgemeldet.

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
password-error-expired = Diese Seite war zu lange offen oder kam von anderswo. Bitte versuchen Sie es noch einmal.

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
