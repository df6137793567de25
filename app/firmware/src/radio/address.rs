//! The lock's public address.

use bt_hci::cmd;
use bt_hci::param::BdAddr;

cmd! {
    /// Gives the controller its public address until the next reset: `BT_HCI_OP_VS_WRITE_BD_ADDR`, as Zephyr's
    /// and Nordic's controllers take it.
    WriteBdAddr(VENDOR_SPECIFIC, 0x0006) {
        Params = BdAddr;
        Return = ();
    }
}
