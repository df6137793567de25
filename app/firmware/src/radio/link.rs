//! One connection, from its beginning to its end: what the client writes goes to the lock, what the lock has to
//! say is indicated, one indication at a time, in parts that fit the connection. What SMP answers is notified.

use embassy_futures::select::select;
use embassy_time::{Duration, with_timeout};
use latchkey_lock::lock::{LinkId, OUTGOING_MAX};
use latchkey_protocol::gatt::{ATT_OVERHEAD, MTU_DEFAULT};
use trouble_host::prelude::{
    AttErrorCode, Error, GattConnection, GattConnectionEvent, GattEvent, Reply, WriteEvent,
};

use super::Core;
use super::gatt::Handles;
use super::pool::Pool;

type Connection<'s, 'v> = GattConnection<'s, 'v, Pool>;

/// How long a client may take to confirm an indication. Its host does that by itself; one that does not is gone,
/// or holds a connection that others could use.
const CONFIRMATION: Duration = Duration::from_secs(10);

/// Serves a connection until either side ends it. Dropping the connection then disconnects what is still
/// connected.
pub(super) async fn serve(
    connection: &Connection<'_, '_>,
    handles: &Handles,
    link: LinkId,
    core: &impl Core,
) {
    core.connected(link);
    select(
        listen(connection, handles, link, core),
        talk(connection, handles, link, core),
    )
    .await;
    core.disconnected(link);
}

/// Takes in what the client does, until it is gone or cannot be answered.
async fn listen(connection: &Connection<'_, '_>, handles: &Handles, link: LinkId, core: &impl Core) {
    loop {
        let event = match connection.next().await {
            GattConnectionEvent::Gatt { event } => event,
            GattConnectionEvent::Disconnected { .. } => return,
            // The controller settles these; nothing here depends on them.
            GattConnectionEvent::PhyUpdated { .. }
            | GattConnectionEvent::ConnectionParamsUpdated { .. }
            | GattConnectionEvent::SubratingParamsUpdated { .. }
            | GattConnectionEvent::RequestConnectionParams(_)
            | GattConnectionEvent::DataLengthUpdated { .. }
            | GattConnectionEvent::FrameSpaceUpdated { .. }
            | GattConnectionEvent::ConnectionRateChanged { .. } => continue,
        };
        let answer = match event {
            GattEvent::Write(write) => take(write, handles, link, core),
            GattEvent::Read(_) | GattEvent::Other(_) | GattEvent::NotAllowed(_) => event.accept(),
        };
        match answer {
            Ok(answer) => answer.send().await,
            // Out of buffers: a client that gets no answer waits for ever, so it is better gone.
            Err(_) => return,
        }
    }
}

/// Hands a written message to the lock. Anything else is the server's.
fn take<'s>(
    write: WriteEvent<'s, '_, Pool>,
    handles: &Handles,
    link: LinkId,
    core: &impl Core,
) -> Result<Reply<'s, Pool>, Error> {
    let handle = write.handle();
    if handles.is_third(handle) {
        return write.accept_unprocessed();
    }
    if handles.is_smp(handle) {
        write.with_data(|offset, bytes| {
            if offset == 0 {
                core.smp_received(link, bytes);
            }
        });
        return write.accept_unprocessed();
    }
    let Some(which) = handles.written(handle) else {
        return write.accept();
    };
    let whole = write.with_data(|offset, bytes| {
        let whole = offset == 0;
        if whole {
            core.received(link, which, bytes);
        }
        whole
    });
    if whole {
        write.accept_unprocessed()
    } else {
        write.reject(AttErrorCode::INVALID_OFFSET)
    }
}

/// Sends what the lock has to say, until the client no longer takes it, or the lock wants it gone.
async fn talk(connection: &Connection<'_, '_>, handles: &Handles, link: LinkId, core: &impl Core) {
    let mut message = [0; OUTGOING_MAX];
    while !core.should_disconnect(link) {
        let room = usize::from(
            connection
                .raw()
                .att_mtu()
                .max(MTU_DEFAULT)
                .saturating_sub(ATT_OVERHEAD),
        );
        let Some((which, length)) = core.outgoing(link, &mut message) else {
            let most = room.min(message.len());
            let piece = message.get_mut(..most).unwrap_or_default();
            match core.smp_outgoing(link, piece) {
                Some(length) => {
                    let piece = piece.get(..length).unwrap_or_default();
                    if handles.smp().notify(connection, piece, false).await.is_err() {
                        return;
                    }
                }
                None => core.changed(link).await,
            }
            continue;
        };
        for part in message.get(..length).unwrap_or_default().chunks(room) {
            // Waits for the client's confirmation. To a client that did not subscribe, nothing is sent.
            let indication = handles.of(which).indicate(connection, part, false);
            if !matches!(with_timeout(CONFIRMATION, indication).await, Ok(Ok(()))) {
                return;
            }
        }
    }
}
