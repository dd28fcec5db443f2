//! What an authorization server says of itself.

use serde::Serialize;

/// The metadata document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Metadata {
    policy_decision_point: String,
    access_evaluation_endpoint: String,
    access_evaluations_endpoint: String,
    search_subject_endpoint: String,
    search_resource_endpoint: String,
    search_action_endpoint: String,
}

impl Metadata {
    /// The path of the document for a policy decision point at `path` (empty at the root): the well-known segment goes between
    /// host and path.
    pub fn well_known_path(path: &str) -> String {
        format!("/.well-known/authzen-configuration{}", path.trim_end_matches('/'))
    }

    /// The document of the policy decision point at exactly this URL.
    pub fn new(policy_decision_point: &str) -> Self {
        let base = policy_decision_point.trim_end_matches('/');
        Self {
            policy_decision_point: policy_decision_point.to_owned(),
            access_evaluation_endpoint: format!("{base}/access/v1/evaluation"),
            access_evaluations_endpoint: format!("{base}/access/v1/evaluations"),
            search_subject_endpoint: format!("{base}/access/v1/search/subject"),
            search_resource_endpoint: format!("{base}/access/v1/search/resource"),
            search_action_endpoint: format!("{base}/access/v1/search/action"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_the_url_as_configured_and_stands_between_host_and_path() {
        let json = |url| serde_json::to_value(Metadata::new(url)).expect("json");
        assert_eq!(json("https://id.example/a/")["policy_decision_point"], "https://id.example/a/");
        let search = "https://id.example/a/access/v1/search/subject";
        assert_eq!(json("https://id.example/a/")["search_subject_endpoint"], search);
        assert_eq!(Metadata::well_known_path(""), "/.well-known/authzen-configuration");
        assert_eq!(Metadata::well_known_path("/a"), "/.well-known/authzen-configuration/a");
    }
}
