//! What is read of a request: its path, its query and its body. What cannot be read is refused as everything else is, with
//! a code and a hint.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::answer::Refused;
use crate::{Complaint, Exit};

/// JSON of a known form.
pub(crate) struct Json<T>(pub T);

/// A part of the path.
pub(crate) struct Path<T>(pub T);

/// What follows the path.
pub(crate) struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let read = axum::Json::from_request(request, state).await;
        read.map(|axum::Json(body)| Self(body))
            .map_err(|e| unexpected(&e))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let read = axum::extract::Path::from_request_parts(parts, state).await;
        read.map(|axum::extract::Path(part)| Self(part))
            .map_err(|e| unexpected(&e))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let read = axum::extract::Query::from_request_parts(parts, state).await;
        read.map(|axum::extract::Query(query)| Self(query))
            .map_err(|e| unexpected(&e))
    }
}

fn unexpected(why: &dyn std::error::Error) -> Refused {
    let message = "the request is not what is expected here";
    Refused::malformed(
        Complaint::new("VSJ0516", Exit::Refused, message)
            .because(why)
            .hint("/openapi.json describes what is"),
    )
}
