//! How the API says no: a status, and what went wrong as JSON.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use vsjob_engine::EngineError;
use vsjob_engine::store::StoreError;
use vsjob_workflows::Refusal;

use crate::message::{Trouble, TroubleBody};
use crate::{Complaint, Exit};

/// A request that was not granted. Nothing has changed.
#[derive(Debug)]
pub(crate) struct Refused {
    status: StatusCode,
    complaint: Complaint,
}

impl Refused {
    /// The asker may not.
    pub(crate) fn forbidden(complaint: Complaint) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            complaint,
        }
    }

    /// There is no such thing.
    pub(crate) fn absent(complaint: Complaint) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            complaint,
        }
    }

    /// There is such a thing, but not for this method.
    pub(crate) fn not_done_there(complaint: Complaint) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            complaint,
        }
    }

    /// It cannot be done as things stand.
    pub(crate) fn conflicting(complaint: Complaint) -> Self {
        Self {
            status: StatusCode::CONFLICT,
            complaint,
        }
    }

    /// The request is not one.
    pub(crate) fn malformed(complaint: Complaint) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            complaint,
        }
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::conflicting(refusal.into())
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        let status = match error.is_refusal() {
            true => StatusCode::INSUFFICIENT_STORAGE,
            false => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self {
            status,
            complaint: error.into(),
        }
    }
}

impl From<EngineError> for Refused {
    fn from(error: EngineError) -> Self {
        let complaint = Complaint::new(error.code(), Exit::Refused, error.to_string()).hint(error.hint());
        let status = match error {
            EngineError::Store(error) => return error.into(),
            EngineError::UnknownJob(_) => StatusCode::NOT_FOUND,
            EngineError::BadPlan(_) => StatusCode::BAD_REQUEST,
            EngineError::Closed => StatusCode::SERVICE_UNAVAILABLE,
            EngineError::Illegal(_) | EngineError::Codec(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::CONFLICT,
        };
        Self { status, complaint }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Complaint {
            code,
            message,
            causes,
            hint,
            ..
        } = self.complaint;
        let error = TroubleBody {
            code,
            message,
            causes,
            hint,
        };
        (self.status, Json(Trouble { error })).into_response()
    }
}
