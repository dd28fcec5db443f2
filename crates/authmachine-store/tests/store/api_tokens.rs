use authmachine_provider::api_token::ApiToken;
use authmachine_provider::client::ObjectScope;
use authmachine_provider::handle::Presented;
use authmachine_store::StoreError;

use crate::records::{LATER, NOW, api_token, hash_of, presented};
use crate::support::both_engines;

both_engines! {
    async fn an_api_token_comes_back_as_stored(store: TestStore) {
        let attached = api_token("reports");
        let all = ApiToken { objects: ObjectScope::All, expires_at: None, last_used_at: Some(NOW), ..api_token("all") };
        let none = ApiToken { objects: ObjectScope::Attached(Vec::new()), ..api_token("none") };
        let tokens = [attached, all, none];
        for token in tokens.clone() {
            let (new, handle) = (token.clone(), presented(token.id.0));
            assert!(store.write(move |tx| tx.insert_api_token(&new, &hash_of(new.id.0))).await);
            assert_eq!(store.read(move |reads| reads.find_api_token(&handle)).await, Some(token));
        }
        assert_eq!(store.read(|reads| reads.list_api_tokens()).await, tokens);
    }

    async fn g4_an_api_token_is_found_by_its_whole_handle(store: TestStore) {
        let token = api_token("reports");
        let right = presented(token.id.0);
        store.write(move |tx| tx.insert_api_token(&token, &right.sha256)).await;
        let wrong = Presented { sha256: [0; 32], ..right };
        assert_eq!(store.read(move |reads| reads.find_api_token(&wrong)).await, None);
        assert!(store.read(move |reads| reads.find_api_token(&right)).await.is_some());
    }

    async fn an_api_tokens_name_is_taken_once(store: TestStore) {
        let (first, second) = (api_token("reports"), api_token("reports"));
        let new = first.clone();
        assert!(store.write(move |tx| tx.insert_api_token(&new, &[1; 32])).await);
        assert!(!store.write(move |tx| tx.insert_api_token(&second, &[2; 32])).await);
        assert_eq!(store.count("api_tokens"), 1);
        let same_row = ApiToken { name: "other".to_owned(), ..first };
        let outcome = store.try_write(move |tx| tx.insert_api_token(&same_row, &[3; 32])).await;
        assert_eq!(outcome, Err(StoreError::Conflict));
    }

    async fn an_api_token_is_revoked_once_and_touched_forward(store: TestStore) {
        let token = api_token("reports");
        let (new, id, handle) = (token.clone(), token.id, presented(token.id.0));
        store.write(move |tx| tx.insert_api_token(&new, &handle.sha256)).await;
        store.write(move |tx| tx.touch_api_token(id, LATER)).await;
        store.write(move |tx| tx.touch_api_token(id, NOW)).await;
        assert!(store.write(|tx| tx.revoke_api_token("reports", NOW)).await);
        assert!(!store.write(|tx| tx.revoke_api_token("reports", LATER)).await);
        assert!(!store.write(|tx| tx.revoke_api_token("unknown", NOW)).await);
        let over = ApiToken { revoked_at: Some(NOW), last_used_at: Some(LATER), ..token };
        assert_eq!(store.read(move |reads| reads.find_api_token(&handle)).await, Some(over));
    }
}
