//! Evidence for a claim: files, streamed to the disk.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::path::PathBuf;

use actix_multipart::{Multipart, MultipartError};
use actix_web::dev::Payload;
use actix_web::web::{Data, Path};
use actix_web::{FromRequest, HttpRequest, HttpResponse, post};
use audit::strict::{Auditable, audited};
use audit::{Argument, AuditScope, Part};
use diesel::pg::PgConnection;
use diesel::prelude::*;
use futures_util::StreamExt as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tempfile::{NamedTempFile, TempPath};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use uuid::Uuid;

use super::{Claim, Status, lock, require, save};
use crate::auth::{Caller, Customer};
use crate::schema::evidence;
use crate::{Database, Error};

/// The largest file that is taken.
pub(crate) const EVIDENCE_BYTES_MAX: u64 = 10 << 20;
const MEDIA_TYPES: [&str; 3] = ["application/pdf", "image/jpeg", "image/png"];

/// Where the files are.
#[derive(Clone)]
pub(crate) struct Folder(pub(crate) PathBuf);

/// A body that is read as a multipart stream. Strict handlers take no argument of
/// which nobody has said what it reads, so this one says it of `Multipart`.
pub(super) struct Upload(Multipart);

impl FromRequest for Upload {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let upload = Multipart::new(request.headers(), payload.take());
        ready(Ok(Self(upload)))
    }
}

impl Argument for Upload {
    const PART: Part = Part::Body;
    type Payload = ();
}

/// What is known of a file, and of all that the record shows: not its name, which
/// is the customer's own, and nothing that is in it.
#[derive(Serialize, Insertable, Auditable)]
#[diesel(table_name = evidence)]
struct Evidence {
    #[audit(plain)]
    id: Uuid,
    #[audit(plain)]
    claim_id: Uuid,
    #[audit(plain)]
    media_type: String,
    #[audit(plain)]
    bytes: i64,
    #[audit(plain)]
    sha256: String,
}

#[post("/claims/{id}/evidence")]
#[audited(
    action = "upload_evidence",
    resource = "claim",
    resource_id = id,
    capture = "metadata"
)]
pub(super) async fn upload_evidence(
    customer: Caller<Customer>,
    id: Path<Uuid>,
    Upload(upload): Upload,
    folder: Data<Folder>,
    database: Data<Database>,
    scope: AuditScope,
) -> Result<HttpResponse, Error> {
    let (id, customer) = (*id, customer.id().to_owned());
    // Nothing is written for a claim that takes no evidence.
    let owner = customer.clone();
    database
        .run(move |connection| open(connection, id, &owner))
        .await?;

    let (evidence, file) = receive(upload, id, &folder).await?;
    scope.note("evidence", &evidence);
    let stored = database.run(move |connection| {
        connection.transaction(|connection| {
            let before = open(connection, id, &customer)?;
            let after = Claim {
                status: Status::Filed,
                ..before.clone()
            };
            diesel::insert_into(evidence::table)
                .values(&evidence)
                .execute(connection)?;
            save(connection, &after)?;
            // Last, because a file is not undone; one that is there in vain does
            // no harm.
            file.persist(folder.0.join(evidence.id.to_string()))
                .map_err(Error::broken)?;
            scope.change(&before, &after);
            Ok(evidence)
        })
    });
    Ok(HttpResponse::Created().json(stored.await?))
}

/// The customer's own claim, if it takes evidence. Somebody else's is not told from
/// none.
fn open(connection: &mut PgConnection, id: Uuid, customer: &str) -> Result<Claim, Error> {
    let claim = lock(connection, id)?;
    if claim.customer != customer {
        return Err(Error::ClaimNotFound);
    }
    require(&claim, &[Status::Draft, Status::Filed])?;
    Ok(claim)
}

/// Streams the first part of an upload to a file that goes away unless it is kept.
async fn receive(
    mut upload: Multipart,
    claim_id: Uuid,
    folder: &Folder,
) -> Result<(Evidence, TempPath), Error> {
    let mut part = match upload.next().await {
        Some(part) => part.map_err(unreadable)?,
        None => return Err(Error::Invalid("there is no file in the form".to_owned())),
    };
    let media_type = part
        .content_type()
        .map(|media_type| media_type.essence_str());
    let media_type = media_type
        .filter(|media_type| MEDIA_TYPES.contains(media_type))
        .ok_or_else(|| Error::Invalid(format!("evidence is one of {MEDIA_TYPES:?}")))?
        .to_owned();

    let (file, path) = NamedTempFile::new_in(&folder.0)
        .map_err(Error::broken)?
        .into_parts();
    let mut file = File::from_std(file);
    let (mut bytes, mut hash) = (0, Sha256::new());
    while let Some(chunk) = part.next().await {
        let chunk = chunk.map_err(unreadable)?;
        bytes += chunk.len() as u64;
        if bytes > EVIDENCE_BYTES_MAX {
            return Err(Error::TooLarge);
        }
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(Error::broken)?;
    }
    file.sync_all().await.map_err(Error::broken)?;
    let evidence = Evidence {
        id: Uuid::now_v7(),
        claim_id,
        media_type,
        bytes: i64::try_from(bytes).map_err(Error::broken)?,
        sha256: hash
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    };
    Ok((evidence, path))
}

fn unreadable(error: MultipartError) -> Error {
    Error::Invalid(format!("the form cannot be read: {error}"))
}
