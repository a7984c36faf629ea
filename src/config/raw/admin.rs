//! `[admin]` as written.

use std::path::PathBuf;

use super::field::Field;
use super::fields::Fields;

/// `[admin]`.
pub(in crate::config) struct Admin {
    pub(in crate::config) listen: Field<String>,
    pub(in crate::config) token_file: Field<PathBuf>,
}

impl Admin {
    pub(super) fn read(fields: &mut Fields<'_>) -> Self {
        Self {
            listen: fields.text("listen", "\"127.0.0.1:9600\""),
            token_file: fields.path("token_file", "\"admin.token\""),
        }
    }
}
