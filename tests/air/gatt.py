"""Writes that do not fit one packet, which Bumble leaves to its users."""

from bumble import att


async def request(client, pdu):
    answer = await client.send_request(pdu)
    if answer.op_code == att.Opcode.ATT_ERROR_RESPONSE:
        raise att.ATT_Error(error_code=answer.error_code, message=str(answer))


async def write(client, found, value):
    """Writes a characteristic: a request, or, when it does not fit one, prepared in parts and executed."""
    if len(value) <= client.mtu - 3:
        await found.write_value(value, with_response=True)
        return
    try:
        await prepare(client, found.handle, value)
    except att.ATT_Error:
        await request(client, att.ATT_Execute_Write_Request(flags=0))
        raise
    await request(client, att.ATT_Execute_Write_Request(flags=1))


async def prepare(client, handle, value):
    room = client.mtu - 5
    for offset in range(0, len(value), room):
        part = att.ATT_Prepare_Write_Request(
            attribute_handle=handle,
            value_offset=offset,
            part_attribute_value=value[offset : offset + room],
        )
        await request(client, part)
