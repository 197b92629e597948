// @generated automatically by Diesel CLI.

diesel::table! {
    items (id) {
        id -> Uuid,
        name -> Text,
        description -> Nullable<Text>,
        price -> Nullable<Numeric>,
        attributes -> Json,
        owner -> Text,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}
