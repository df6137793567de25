//! The catalogue against the specification's table: every command's number and its longest payload in bytes
//! (with the two-byte PIN, as the table counts; one PIN more is two bytes more).

use latchkey_protocol::message::*;

/// A row: the number, the longest payload with two-byte PINs, how many PINs are in it.
fn row<M: Message>(command: u16, length: usize, pins: usize) {
    assert_eq!(M::COMMAND, Command(command));
    assert_eq!(M::MAX, length + 2 * pins, "length of command {command:#06x}");
}

#[test]
fn pairing() {
    row::<RequestData>(0x0001, 2, 0);
    row::<PublicKeyOffer>(0x0003, 32, 0);
    row::<Challenge>(0x0004, 32, 0);
    row::<AuthorizationAuthenticator>(0x0005, 32, 0);
    row::<AuthorizationData>(0x0006, 101, 0);
    row::<GrantedAuthorization>(0x0007, 84, 0);
    row::<AuthorizationIdConfirmation>(0x001E, 36, 0);
    row::<AuthorizationInfo>(0x004C, 1, 0);
    row::<AuthorizationDataFifth>(0x0006, 38, 1);
    row::<GrantedAuthorizationFifth>(0x0007, 20, 0);
}

#[test]
fn authorizations() {
    row::<RemoveAuthorizationEntry>(0x0008, 38, 1);
    row::<RequestAuthorizationEntries>(0x0009, 38, 1);
    row::<AuthorizationEntry>(0x000A, 75, 0);
    row::<InviteAuthorization>(0x000B, 120, 1);
    row::<InvitedAuthorization>(0x001F, 11, 0);
    row::<UpdateAuthorizationEntry>(0x0025, 92, 1);
    row::<AuthorizationEntryCount>(0x0027, 2, 0);
}

#[test]
fn actions_and_states() {
    row::<KeyturnerStates>(0x000C, 27, 0);
    row::<PerformLockAction>(0x000D, 58, 0);
    row::<StatusReport>(0x000E, 1, 0);
    row::<MostRecentCommand>(0x000F, 2, 0);
    row::<OpeningsClosingsSummary>(0x0010, 8, 0);
    row::<BatteryReport>(0x0011, 17, 0);
    row::<ErrorReport>(0x0012, 3, 0);
    row::<FirmwareStatus>(0x0029, 8, 0);
    row::<PerformKeypadAction>(0x0048, 38, 0);
    row::<PerformSimpleLockAction>(0x0100, 33, 0);
}

#[test]
fn configurations() {
    row::<SetConfig>(0x0013, 89, 1);
    row::<RequestConfig>(0x0014, 32, 0);
    row::<Config>(0x0015, 79, 0);
    row::<SetAdvancedConfig>(0x0035, 65, 1);
    row::<RequestAdvancedConfig>(0x0036, 32, 0);
    row::<AdvancedConfig>(0x0037, 33, 0);
}

#[test]
fn maintenance() {
    row::<SetSecurityPin>(0x0019, 36, 2);
    row::<RequestCalibration>(0x001A, 34, 1);
    row::<RequestReboot>(0x001D, 34, 1);
    row::<VerifySecurityPin>(0x0020, 34, 1);
    row::<UpdateTime>(0x0021, 41, 1);
}

#[test]
fn logs() {
    row::<RequestLogEntries>(0x0031, 42, 1);
    row::<LogEntry>(0x0032, 53, 0);
    row::<LogEntryCount>(0x0033, 5, 0);
    row::<EnableLogging>(0x0034, 35, 1);
}

#[test]
fn time_control() {
    row::<AddTimeControlEntry>(0x0039, 38, 1);
    row::<TimeControlEntryId>(0x003A, 1, 0);
    row::<RemoveTimeControlEntry>(0x003B, 35, 1);
    row::<RequestTimeControlEntries>(0x003C, 34, 1);
    row::<TimeControlEntryCount>(0x003D, 1, 0);
    row::<TimeControlEntry>(0x003E, 6, 0);
    row::<UpdateTimeControlEntry>(0x003F, 40, 1);
}

#[test]
fn keypad() {
    row::<AddKeypadCode>(0x0041, 78, 1);
    row::<KeypadCodeId>(0x0042, 9, 0);
    row::<RequestKeypadCodes>(0x0043, 38, 1);
    row::<KeypadCodeCount>(0x0044, 2, 0);
    row::<KeypadCodeEntry>(0x0045, 63, 0);
    row::<UpdateKeypadCode>(0x0046, 81, 1);
    row::<RemoveKeypadCode>(0x0047, 36, 1);
}

#[test]
fn own() {
    row::<OpenUpdateWindow>(0x4C00, 68, 1);
    row::<CloseUpdateWindow>(0x4C01, 34, 1);
    row::<UpdateStatus>(0x4C02, 13, 0);
    row::<RunningImage>(0x4C03, 105, 0);
}
