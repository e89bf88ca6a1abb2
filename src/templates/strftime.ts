// Formats dates as Python's strftime() does in the C locale, with the flags of glibc that templates use: %-d, %_d, %^a.

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday']
const months = [
  ...['January', 'February', 'March', 'April', 'May', 'June'],
  ...['July', 'August', 'September', 'October', 'November', 'December'],
]

/** Directives that stand for several others. */
const combined: Record<string, string> = {
  ...{ c: '%a %b %e %H:%M:%S %Y', D: '%m/%d/%y', F: '%Y-%m-%d', r: '%I:%M:%S %p' },
  ...{ R: '%H:%M', T: '%H:%M:%S', x: '%m/%d/%y', X: '%H:%M:%S' },
}

/** @param date in local time */
export function strftime(format: string, date: Date): string {
  return format.replace(
    /%([-_0^#]?)(\d*)([A-Za-z%])/g,
    (directive, flag: string, width: string, letter: string) => {
      if (letter in combined) return strftime(combined[letter]!, date)
      const number = numberOf(letter, date)
      if (number !== undefined) {
        const [value, digits, fill] = number
        const size = flag === '-' ? 0 : Math.min(Number(width || digits), 64)
        return String(value).padStart(size, flag === '_' ? ' ' : flag === '0' ? '0' : fill)
      }
      const word = wordOf(letter, date)
      if (word === undefined) return directive
      return flag === '^'
        ? word.toUpperCase()
        : flag === '#'
          ? letter === 'p'
            ? word.toLowerCase()
            : word.toUpperCase()
          : word
    },
  )
}

function numberOf(letter: string, date: Date): [value: number, digits: number, fill: string] | undefined {
  const hour = date.getHours()
  const day = dayOfYear(date)
  const weekday = date.getDay()
  switch (letter) {
    case 'd':
      return [date.getDate(), 2, '0']
    case 'e':
      return [date.getDate(), 2, ' ']
    case 'm':
      return [date.getMonth() + 1, 2, '0']
    case 'y':
      return [date.getFullYear() % 100, 2, '0']
    case 'Y':
      return [date.getFullYear(), 0, '0']
    case 'C':
      return [Math.floor(date.getFullYear() / 100), 2, '0']
    case 'G':
      return [isoWeek(date).year, 0, '0']
    case 'g':
      return [isoWeek(date).year % 100, 2, '0']
    case 'V':
      return [isoWeek(date).week, 2, '0']
    case 'H':
      return [hour, 2, '0']
    case 'k':
      return [hour, 2, ' ']
    case 'I':
      return [hour % 12 || 12, 2, '0']
    case 'l':
      return [hour % 12 || 12, 2, ' ']
    case 'M':
      return [date.getMinutes(), 2, '0']
    case 'S':
      return [date.getSeconds(), 2, '0']
    case 'f':
      return [date.getMilliseconds() * 1000, 6, '0']
    case 's':
      return [Math.floor(date.getTime() / 1000), 0, '0']
    case 'j':
      return [day + 1, 3, '0']
    case 'U':
      return [Math.floor((day + 7 - weekday) / 7), 2, '0']
    case 'W':
      return [Math.floor((day + 7 - ((weekday + 6) % 7)) / 7), 2, '0']
    case 'w':
      return [weekday, 0, '0']
    case 'u':
      return [weekday || 7, 0, '0']
    default:
      return undefined
  }
}

function wordOf(letter: string, date: Date): string | undefined {
  switch (letter) {
    case 'a':
      return days[date.getDay()]!.slice(0, 3)
    case 'A':
      return days[date.getDay()]
    case 'b':
    case 'h':
      return months[date.getMonth()]!.slice(0, 3)
    case 'B':
      return months[date.getMonth()]
    case 'p':
      return date.getHours() < 12 ? 'AM' : 'PM'
    case 'P':
      return date.getHours() < 12 ? 'am' : 'pm'
    case 'n':
      return '\n'
    case 't':
      return '\t'
    case '%':
      return '%'
    // datetime.now() knows no time zone.
    case 'z':
    case 'Z':
      return ''
    default:
      return undefined
  }
}

/** The day of the year, counted from 0. */
function dayOfYear(date: Date): number {
  const utc = (month: number, day: number) => Date.UTC(date.getFullYear(), month, day)
  return Math.round((utc(date.getMonth(), date.getDate()) - utc(0, 1)) / 86_400_000)
}

/** The week by ISO 8601: weeks begin on Monday, and the first one has the year's first Thursday. */
function isoWeek(date: Date): { year: number; week: number } {
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - (date.getDay() || 7))
  return { year: thursday.getFullYear(), week: Math.floor(dayOfYear(thursday) / 7) + 1 }
}
