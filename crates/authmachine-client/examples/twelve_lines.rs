//! A whole application: whoever opens it signs in.
use authmachine_client::{Login, User};
use axum::{Router, routing::get};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let login = Login::from_env()?;
    let app = login.attach(Router::new().route("/", get(home)));
    let listener = tokio::net::TcpListener::bind(login.local_address()).await?;
    Ok(axum::serve(listener, app).await?)
}

async fn home(user: User) -> String {
    format!("Logged in as {}", user.name())
}
