// The formats of strings that a JSON schema may name (draft 2020-12, section 7.3), as patterns. What they match is of the
// format; some of its rarer forms are left out.

const day31 = '(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])'
const day30 = '(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)'
/** The 29th of February is left out, for whether it is a day depends on the year. */
const date = `\\d{4}-(?:${day31}|${day30}|02-(?:0[1-9]|1\\d|2[0-8]))`
const hour = '(?:[01]\\d|2[0-3])'
const time = `${hour}:[0-5]\\d:[0-5]\\d(?:\\.\\d{1,6})?(?:Z|[+-]${hour}:[0-5]\\d)`
const octet = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
/** A part of a host's name has 63 characters at the most. */
const label = '[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?'
const hostname = `${label}(?:\\.${label}){0,4}`

/** The pattern of each format, which matches a whole string. */
export const formats: Readonly<Record<string, string>> = {
  'date-time': `^${date}T${time}$`,
  date: `^${date}$`,
  time: `^${time}$`,
  duration: '^P(?:\\d{1,6}W|(?:\\d{1,6}D)(?:T\\d{1,6}H)?|T\\d{1,6}[HMS])$',
  email: `^[a-z0-9_+-]{1,20}(?:\\.[a-z0-9_+-]{1,20}){0,2}@${label}\\.${hostname}$`,
  hostname: `^${hostname}$`,
  ipv4: `^${octet}(?:\\.${octet}){3}$`,
  uuid: '^[\\da-f]{8}(?:-[\\da-f]{4}){3}-[\\da-f]{12}$',
}
