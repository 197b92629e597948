//! What is known of the types that everybody uses.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, LinkedList, VecDeque};
use std::ffi::{CStr, CString, OsStr, OsString};
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::num::{
    NonZeroI8, NonZeroI16, NonZeroI32, NonZeroI64, NonZeroI128, NonZeroIsize, NonZeroU8,
    NonZeroU16, NonZeroU32, NonZeroU64, NonZeroU128, NonZeroUsize, Saturating, Wrapping,
};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{
    AtomicBool, AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicIsize, AtomicU8, AtomicU16,
    AtomicU32, AtomicU64, AtomicUsize,
};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Month, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Weekday};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};
use uuid::Uuid;

use super::{Auditable, Classified};
use crate::redact::shape::{Member, Shape};

/// JSON of any form: it has fields, but nobody knows which.
macro_rules! free_form {
    ($($type:ty),* $(,)?) => {$(
        impl Auditable for $type {
            const SHAPE: &'static Shape = &Shape::Open;
        }
    )*};
}

/// Single values: they have no fields.
macro_rules! single {
    ($($type:ty),* $(,)?) => {$(
        impl Auditable for $type {
            const SHAPE: &'static Shape = &Shape::Open;
        }
        impl Classified for $type {}
    )*};
}

/// Types whose JSON is that of the `T` in them, of which is asked what is in brackets.
macro_rules! transparent {
    ($([$($bounds:tt)*] $type:ty),* $(,)?) => {$(
        impl<T: Auditable + $($bounds)*> Auditable for $type {
            const SHAPE: &'static Shape = T::SHAPE;
        }
        impl<T: Classified + $($bounds)*> Classified for $type {}
    )*};
}

/// Types whose JSON holds any number of `T`; the other parameters are in brackets.
macro_rules! many {
    ($([$($generics:tt)*] $type:ty),* $(,)?) => {$(
        impl<T: Auditable, $($generics)*> Auditable for $type {
            const SHAPE: &'static Shape = &Shape::Each(|| T::SHAPE);
        }
        impl<T: Classified, $($generics)*> Classified for $type {}
    )*};
}

/// Tuples of these parameters, and all shorter ones.
macro_rules! tuples {
    () => {};
    ($first:ident $($rest:ident)*) => {
        impl<$first: Auditable, $($rest: Auditable),*> Auditable for ($first, $($rest,)*) {
            const SHAPE: &'static Shape =
                &Shape::Tuple(&[|| $first::SHAPE, $(|| $rest::SHAPE),*]);
        }
        impl<$first: Classified, $($rest: Classified),*> Classified for ($first, $($rest,)*) {}
        tuples!($($rest)*);
    };
}

free_form!(Value, Map<String, Value>, RawValue);

single!(bool, char, str, String, (), Number, Uuid);
single!(
    i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize, f32, f64
);
single!(
    NonZeroI8,
    NonZeroI16,
    NonZeroI32,
    NonZeroI64,
    NonZeroI128,
    NonZeroIsize
);
single!(
    NonZeroU8,
    NonZeroU16,
    NonZeroU32,
    NonZeroU64,
    NonZeroU128,
    NonZeroUsize
);
single!(
    AtomicBool,
    AtomicI8,
    AtomicI16,
    AtomicI32,
    AtomicI64,
    AtomicIsize
);
single!(AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize);
single!(NaiveDate, NaiveDateTime, NaiveTime, Month, Weekday);
single!(Duration, SystemTime);
single!(
    IpAddr,
    Ipv4Addr,
    Ipv6Addr,
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6
);
single!(Path, PathBuf, OsStr, OsString, CStr, CString);

transparent!([?Sized] &T, [?Sized] &mut T, [?Sized] Box<T>, [?Sized] Rc<T>, [?Sized] Arc<T>);
transparent!([ToOwned + ?Sized] Cow<'_, T>);
transparent!([] Option<T>, [] Reverse<T>, [] Wrapping<T>, [] Saturating<T>);
transparent!([] Cell<T>, [?Sized] RefCell<T>, [?Sized] Mutex<T>, [?Sized] RwLock<T>);

many!([] Vec<T>, [] [T], [const N: usize] [T; N], [] VecDeque<T>, [] LinkedList<T>);
many!([S] HashSet<T, S>, [] BTreeSet<T>, [] BinaryHeap<T>);
many!([K, S] HashMap<K, T, S>, [K] BTreeMap<K, T>);

tuples!(A B C D E F G H I J K L M N O P);

impl<Tz: TimeZone> Auditable for DateTime<Tz> {
    const SHAPE: &'static Shape = &Shape::Open;
}

impl<Tz: TimeZone> Classified for DateTime<Tz> {}

impl<T: ?Sized> Auditable for PhantomData<T> {
    const SHAPE: &'static Shape = &Shape::Open;
}

impl<T: ?Sized> Classified for PhantomData<T> {}

impl<T: Auditable, E: Auditable> Auditable for Result<T, E> {
    const SHAPE: &'static Shape = &Shape::Object(&[
        Member {
            names: &["Ok"],
            shape: || T::SHAPE,
        },
        Member {
            names: &["Err"],
            shape: || E::SHAPE,
        },
    ]);
}

impl<T: Classified, E: Classified> Classified for Result<T, E> {}
