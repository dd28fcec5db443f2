//! The modules of the plans, one file for each area.

use std::future::Future;
use std::pin::Pin;

use crate::run::Run;
use crate::variant::{
    ALL, CODE, Variant, WITH_ACCESS_TOKEN, WITH_CODE, WITH_FRONT_ID_TOKEN, WITHOUT_FRONT_ID_TOKEN,
};

/// A module of the plans.
pub(crate) struct Module {
    pub(crate) area: &'static str,
    /// As the plans name it, with `_` for `-`.
    pub(crate) name: &'static str,
    response_types: &'static [&'static str],
    plans: Plans,
    pub(crate) run: for<'a> fn(&'a Run) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>,
}

/// Where a module occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plans {
    /// Basic, Implicit, Hybrid, by a client of either origin; and the same with Form Post, by clients that register themselves.
    Core,
    /// Of the same plans, by clients that register themselves.
    Registered,
    /// The Dynamic plan and others with clients that register themselves, in the default mode.
    Dynamic,
    /// RP-initiated logout: in the default mode, by a client of either origin.
    Logout,
    /// Discovery: no client takes part.
    Config,
}

impl Module {
    /// What it is run with.
    pub(crate) fn variants(&self) -> impl Iterator<Item = Variant> {
        // Mode and registration.
        let ways: &[(bool, bool)] = match self.plans {
            Plans::Core => &[(false, false), (false, true), (true, true)],
            Plans::Registered => &[(false, true), (true, true)],
            Plans::Dynamic => &[(false, true)],
            Plans::Logout => &[(false, false), (false, true)],
            Plans::Config => &[(false, false)],
        };
        self.response_types.iter().flat_map(move |response_type| {
            ways.iter().map(move |(form_post, dynamic)| Variant {
                response_type,
                form_post: *form_post,
                dynamic: *dynamic,
            })
        })
    }

    /// Whether most of its time is waiting.
    pub(crate) fn waits(&self) -> bool {
        ["oidcc_codereuse_30seconds", "oidcc_refresh_token_rp_key_rotation"].contains(&self.name)
    }
}

macro_rules! modules {
    ($($area:ident { $($name:ident: $plans:ident, $response_types:expr;)+ })+) => {
        $(mod $area;)+

        /// All of them.
        pub(crate) const MODULES: &[Module] = &[$($(Module {
            area: stringify!($area),
            name: stringify!($name),
            response_types: $response_types,
            plans: Plans::$plans,
            run: |run| Box::pin($area::$name(run)),
        },)+)+];
    };
}

modules! {
    discovery {
        oidcc_discovery_endpoint_verification: Config, CODE;
        oidcc_rp_initiated_logout_discovery_endpoint_verification: Config, CODE;
        oidcc_session_management_discovery_endpoint_verification: Config, CODE;
        oidcc_frontchannel_logout_discovery_endpoint_verification: Config, CODE;
        oidcc_backchannel_logout_discovery_endpoint_verification: Config, CODE;
    }
    happy_flows {
        oidcc_server: Core, ALL;
        oidcc_alternate_happy_flow: Core, ALL;
        oidcc_ensure_post_request_succeeds: Core, ALL;
        oidcc_server_client_secret_post: Core, WITH_CODE;
        oidcc_ensure_request_with_valid_pkce_succeeds: Core, WITH_CODE;
    }
    request_parameters {
        oidcc_response_type_missing: Core, ALL;
        oidcc_ensure_request_without_nonce_succeeds_for_code_flow: Core, WITHOUT_FRONT_ID_TOKEN;
        oidcc_ensure_request_without_nonce_fails: Core, WITH_FRONT_ID_TOKEN;
        oidcc_ensure_request_with_unknown_parameter_succeeds: Core, ALL;
        oidcc_display_page: Core, ALL;
        oidcc_display_popup: Core, ALL;
        oidcc_login_hint: Core, ALL;
        oidcc_ui_locales: Core, ALL;
        oidcc_claims_locales: Core, ALL;
        oidcc_ensure_request_with_acr_values_succeeds: Core, ALL;
    }
    id_tokens {
        oidcc_idtoken_signature: Registered, ALL;
        oidcc_idtoken_unsigned: Registered, WITHOUT_FRONT_ID_TOKEN;
        oidcc_idtoken_rs256: Dynamic, ALL;
    }
    userinfo {
        oidcc_userinfo_get: Core, WITH_ACCESS_TOKEN;
        oidcc_userinfo_post_header: Core, WITH_ACCESS_TOKEN;
        oidcc_userinfo_post_body: Core, WITH_ACCESS_TOKEN;
        oidcc_userinfo_rs256: Dynamic, WITH_ACCESS_TOKEN;
    }
    scopes_and_claims {
        oidcc_scope_profile: Core, ALL;
        oidcc_scope_email: Core, ALL;
        oidcc_scope_address: Core, ALL;
        oidcc_scope_phone: Core, ALL;
        oidcc_scope_all: Core, ALL;
        oidcc_claims_essential: Core, ALL;
    }
    sessions {
        oidcc_prompt_login: Core, ALL;
        oidcc_prompt_none_not_logged_in: Core, ALL;
        oidcc_prompt_none_logged_in: Core, ALL;
        oidcc_max_age_1: Core, ALL;
        oidcc_max_age_10000: Core, ALL;
        oidcc_id_token_hint: Core, ALL;
    }
    codes_and_refresh_tokens {
        oidcc_codereuse: Core, WITH_CODE;
        oidcc_codereuse_30seconds: Core, WITH_CODE;
        oidcc_refresh_token: Core, WITH_CODE;
    }
    redirect_uris {
        oidcc_ensure_registered_redirect_uri: Core, ALL;
        oidcc_ensure_redirect_uri_in_authorization_request: Dynamic, ALL;
        oidcc_redirect_uri_query_ok: Dynamic, ALL;
        oidcc_redirect_uri_query_mismatch: Dynamic, ALL;
        oidcc_redirect_uri_query_added: Dynamic, ALL;
        oidcc_redirect_uri_regfrag: Dynamic, ALL;
    }
    request_objects {
        oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported: Core, ALL;
        oidcc_ensure_request_object_with_redirect_uri: Core, ALL;
        oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported: Registered, ALL;
        oidcc_request_uri_unsigned: Dynamic, ALL;
        oidcc_request_uri_signed_rs256: Dynamic, ALL;
    }
    registration {
        oidcc_registration_logo_uri: Dynamic, ALL;
        oidcc_registration_policy_uri: Dynamic, ALL;
        oidcc_registration_tos_uri: Dynamic, ALL;
        oidcc_registration_jwks_uri: Dynamic, WITH_CODE;
        oidcc_registration_sector_uri: Dynamic, ALL;
        oidcc_registration_sector_bad: Dynamic, ALL;
        oidcc_3rd_party_init_login: Dynamic, ALL;
        oidcc_3rd_party_init_login_nohttps: Dynamic, ALL;
    }
    keys {
        oidcc_ensure_client_assertion_with_iss_aud_succeeds: Dynamic, WITH_CODE;
        oidcc_server_rotate_keys: Dynamic, CODE;
        oidcc_refresh_token_rp_key_rotation: Dynamic, WITH_CODE;
    }
    session_management {
        oidcc_session_management_rp_initiated_logout: Logout, ALL;
    }
    front_channel_logout {
        oidcc_frontchannel_rp_initiated_logout: Dynamic, ALL;
    }
    back_channel_logout {
        oidcc_backchannel_rp_initiated_logout: Dynamic, ALL;
    }
    rp_initiated_logout {
        oidcc_rp_initiated_logout: Logout, ALL;
        oidcc_rp_initiated_logout_no_state: Logout, ALL;
        oidcc_rp_initiated_logout_bad_post_logout_redirect_uri: Logout, ALL;
        oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri: Logout, ALL;
        oidcc_rp_initiated_logout_modified_id_token_hint: Logout, ALL;
        oidcc_rp_initiated_logout_bad_id_token_hint: Logout, ALL;
        oidcc_rp_initiated_logout_no_id_token_hint: Logout, ALL;
        oidcc_rp_initiated_logout_no_params: Logout, ALL;
        oidcc_rp_initiated_logout_only_state: Logout, ALL;
        oidcc_rp_initiated_logout_no_post_logout_redirect_uri: Logout, ALL;
    }
}
