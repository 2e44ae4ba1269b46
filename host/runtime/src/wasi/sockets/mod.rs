//! `wasi:sockets`: the answers are recorded, the sockets are wasmtime-wasi's.
//!
//! A connection can't survive the process that holds it. So replay answers from the log and opens nothing, and a
//! socket that it leaves behind is *lost*: the first call past the log gets a recorded error (`connection-reset` of a
//! connection, `invalid-argument` of other sockets), never data that is not there. What the guest writes leaves once the
//! log is durable.

#![expect(unreachable_pub, reason = "the bindings export the types of resources again")]

mod ip_name_lookup;
mod live;
mod network;
mod outcome;
mod tcp;
mod tcp_calls;
mod tcp_create_socket;
mod tcp_streams;
mod udp;
mod udp_create_socket;

use wasmtime::component::Linker;
use wasmtime_wasi::p2::bindings::sockets::{instance_network, network as wasi_network};

use super::{HasWorker, WorkerState};

pub(super) mod bindings {
    //! The interfaces whose resources are ours.

    wasmtime::component::bindgen!({
        path: ["../../wit/deps/io", "../../wit/deps/clocks", "../../wit/deps/sockets"],
        inline: "
            package everlog:sockets;
            world imports {
                import wasi:sockets/ip-name-lookup@0.2.0;
                import wasi:sockets/tcp@0.2.0;
                import wasi:sockets/tcp-create-socket@0.2.0;
                import wasi:sockets/udp@0.2.0;
                import wasi:sockets/udp-create-socket@0.2.0;
            }
        ",
        world: "everlog:sockets/imports",
        imports: {
            // Those that may wait for the disk, or for the network's sake.
            "wasi:sockets/ip-name-lookup.resolve-addresses": async | trappable,
            "wasi:sockets/tcp.[method]tcp-socket.start-bind": async | trappable,
            "wasi:sockets/tcp.[method]tcp-socket.start-connect": async | trappable,
            "wasi:sockets/tcp.[method]tcp-socket.start-listen": async | trappable,
            "wasi:sockets/tcp.[method]tcp-socket.shutdown": async | trappable,
            "wasi:sockets/udp-create-socket.create-udp-socket": async | trappable,
            "wasi:sockets/udp.[method]udp-socket.start-bind": async | trappable,
            "wasi:sockets/udp.[method]udp-socket.stream": async | trappable,
            "wasi:sockets/udp.[method]outgoing-datagram-stream.send": async | trappable,
            "wasi:sockets/udp.[drop]outgoing-datagram-stream": async | trappable,
            default: trappable,
        },
        trappable_error_type: {
            "wasi:sockets/network.error-code" => wasmtime_wasi::p2::SocketError,
        },
        with: {
            "wasi:io": wasmtime_wasi_io::bindings::wasi::io,
            "wasi:clocks": wasmtime_wasi::p2::bindings::clocks,
            "wasi:sockets/network": wasmtime_wasi::p2::bindings::sockets::network,
            "wasi:sockets/ip-name-lookup.resolve-address-stream":
                super::ip_name_lookup::ResolvedAddresses,
            "wasi:sockets/tcp.tcp-socket": super::tcp::TcpSocket,
            "wasi:sockets/udp.udp-socket": super::udp::UdpSocket,
            "wasi:sockets/udp.incoming-datagram-stream": super::udp::IncomingDatagrams,
            "wasi:sockets/udp.outgoing-datagram-stream": super::udp::OutgoingDatagrams,
        },
    });
}

/// Links the interfaces of `wasi:sockets`.
pub(super) fn add_to_linker(linker: &mut Linker<WorkerState>) -> wasmtime::Result<()> {
    use bindings::wasi::sockets;

    let options = wasi_network::LinkOptions::default();
    wasi_network::add_to_linker::<_, HasWorker>(linker, &options, |worker| worker)?;
    instance_network::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    sockets::ip_name_lookup::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    sockets::tcp_create_socket::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    sockets::udp_create_socket::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    sockets::tcp::add_to_linker::<_, HasWorker>(linker, |worker| worker)?;
    sockets::udp::add_to_linker::<_, HasWorker>(linker, |worker| worker)
}
