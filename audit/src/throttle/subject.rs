//! Who is charged.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::record::{Actor, ActorKind};

/// A network of this size is what one client usually has of IPv6 addresses
/// ([RFC 6177](https://www.rfc-editor.org/rfc/rfc6177)).
const IPV6_BITS: u8 = 64;

/// Who is charged for what they ask: the actor, and where nobody is known the address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Subject<'a> {
    /// Somebody known.
    Actor(ActorKind, Cow<'a, str>),
    /// Somebody unknown: one address of IPv4, a network of IPv6, or a socket without
    /// an address.
    Address(Option<IpNet>),
}

impl<'a> Subject<'a> {
    pub(crate) fn of(actor: Option<&'a Actor>, address: Option<IpAddr>) -> Self {
        match actor.and_then(|actor| Some((actor.kind, actor.id.as_deref()?))) {
            Some((kind, id)) => Self::Actor(kind, Cow::Borrowed(id)),
            None => Self::Address(address.map(network)),
        }
    }

    pub(super) fn is_known(&self) -> bool {
        matches!(self, Self::Actor(..))
    }

    pub(super) fn into_owned(self) -> Subject<'static> {
        match self {
            Self::Actor(kind, id) => Subject::Actor(kind, Cow::Owned(id.into_owned())),
            Self::Address(address) => Subject::Address(address),
        }
    }

    /// The actor, as a record names it.
    pub(crate) fn actor(&self) -> Actor {
        match self {
            Self::Actor(kind, id) => Actor {
                kind: *kind,
                id: Some(id.clone().into_owned()),
                ..Actor::anonymous()
            },
            Self::Address(_) => Actor::anonymous(),
        }
    }

    /// Where requests of nobody known came from.
    pub(crate) fn network(&self) -> Option<IpNet> {
        match self {
            Self::Actor(..) => None,
            Self::Address(network) => *network,
        }
    }
}

fn network(address: IpAddr) -> IpNet {
    let bits = match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => IPV6_BITS,
    };
    IpNet::new(address, bits).map_or_else(|_| address.into(), |network| network.trunc())
}
