"""Names, dates, amounts and other values for report-like documents, each drawn from too many to memorise.

Values for evaluation are made from parts that training never draws. English only; knows nothing of documents.
"""

from collections.abc import Callable
from random import Random

_FIRST = (
    "Aaron Abigail Adam Adele Agnes Aisha Alan Albert Alice Amir Amy Andrea Anton Arthur Astrid Audrey Barbara Beatrice "
    "Benjamin Bernard Bianca Boris Brenda Bruno Camille Carla Carlos Catherine Cecilia Charles Chloe Christina Clara "
    "Colin Cora Daniel Daria David Deborah Denise Derek Diana Dominic Dora Edgar Edith Edmund Elaine Elena Elias Ella "
    "Emil Emma Eric Esther Eva Farah Felix Fiona Florian Frances Frank Gabriel Gemma George Gerard Grace Gregory Hannah "
    "Harold Hassan Hazel Hector Helen Henry Hugo Ida Igor Ingrid Irene Isaac Ivan Jack Jacob Jane Jasmine Jean Joan "
    "Jonas Joseph Judith Julia Karen Karl Kate Kevin Laura Lena Leo Leonard Lewis Lillian Linda Louis Lucy Luis Lydia "
    "Magnus Marcus Maria Mark Martha Matilda Maurice Maya Michael Mira Mohammed Monica Nadia Natalie Neil Nicholas Nina "
    "Noah Nora Oliver Olivia Omar Oscar Otto Pamela Patrick Paul Paula Peter Philip Priya Rachel Ralph Raymond Rebecca "
    "Richard Robert Rosa Rupert Ruth Samir Samuel Sandra Sarah Sean Simon Sofia Stella Stephen Susan Sylvia Tamara Teresa "
    "Theo Thomas Tobias Ursula Vera Victor Vincent Viola Walter Wanda Wendy William Yasmin Yusuf Zoe"
).split()
_HEADS = (
    "Ash Bar Black Brad Bran Brook Bur Cal Camp Carl Chad Clay Cole Cran Dal Den Dray Dun East El Fair Farn Fen Ford "
    "Gar Glen Gold Gran Green Had Hal Ham Har Hart Hol Hos Hunt Kel Ken Kil Kir Lam Lang Law Lin Lock Lud Mal Mar Mer "
    "Mil Mor Nor Oak Old Pem Pres Rad Ray Red Ridge Rock Ros Rush San Shel Sin Stan Stock Strat Sum Tal Thorn Tre Wal "
    "War Wat Wes Whit Win Wood Yar"
).split()
_TAILS = "bank berg bourne by combe cott croft dale den field ford gate ham hurst ing land ley low man mere more ney "
_TAILS_ALL = (_TAILS + "ridge shaw son stead ston ten thorpe ton vale ville well wick win worth").split()
_HELD_FIRST = (
    "Alma Barnaby Cordelia Desmond Eloise Fergus Greta Humphrey Imogen Jerome Leila Mungo Odette Quentin Rowena"
)
_HELD_HEADS = "Ains Beck Cros Dor Emer Fals Gris Hex Ives Kemp Lyd Mon Nettle Ord Pad Quar Rip Scar Tem Up Vaux Wyn"
_TRADES = (
    "Logistics Foods Textiles Energy Paper Instruments Shipping Timber Ceramics Motors Optics Plastics Minerals "
    "Pharmaceuticals Furniture Packaging Publishing Engineering Software Robotics Chemicals Dairy Seeds Glass Steel Toys "
    "Print Bicycles Water Rail Clothing Coatings Cables Pumps Bakeries Hotels Fisheries Nurseries Tools Lighting"
).split()
_FORMS = "Ltd,plc,Group,Holdings,AG,Inc.,Partners,& Sons,Co-operative,Trust,Works,International,Brothers,Limited".split(
    ","
)
_FIRM_FORMS = "& Partners,LLP,Associates,& Co.,Advisers,Chartered Accountants,Consulting,Solicitors,Services".split(",")
_STREETS = "Street,Road,Lane,Avenue,Square,Close,Way,Terrace,Quay,Hill,Park,Row,Court,Drive".split(",")
_MONTHS = "January February March April May June July August September October November December".split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_COLOURS = "red blue green yellow white black grey orange purple amber silver brown".split()
_MATERIALS = (
    "stainless steel,oak,recycled plastic,aluminium,brass,cast iron,bamboo,glass fibre,rubber,concrete,copper,cork,felt,"
    "ceramic,linen,hardened steel,nylon,slate,tempered glass,beech"
).split(",")
_GOODS = (
    "folding chairs,water filters,bicycle frames,garden lamps,office desks,wool blankets,heat pumps,paint rollers,"
    "oat biscuits,solar panels,hearing aids,steel brackets,tea towels,rain barrels,door handles,herbal teas,ski boots,"
    "kitchen scales,wooden toys,cable drums,picture frames,reading glasses,fishing nets,smoke detectors,roof tiles"
).split(",")
_TOPICS = (
    "the new warehouse,the staff canteen,the car park,the website,the summer fair,the pension scheme,the roof repairs,"
    "the delivery fleet,the training programme,the library extension,the heating system,the playground,the membership fees,"
    "the annual dinner,the reception area,the recycling scheme,the apprenticeship programme,the data centre,the footbridge,"
    "the loading bay,the customer survey,the safety audit,the office move,the irrigation project"
).split(",")
_ROOMS = "Committee Room,Board Room,Conference Room,Meeting Room,Seminar Room,Training Room,Hall,Studio".split(",")
_SECTORS = (
    "renewable energy,medical devices,food packaging,public transport,data storage,specialist printing,timber housing,"
    "marine equipment,water treatment,school furniture,dental supplies,industrial cleaning,railway signalling,"
    "organic farming,home insulation,museum lighting,fleet leasing,road maintenance"
).split(",")


def town(random: Random, held_out: bool = False) -> str:
    return _surname(random, held_out)


def _surname(random: Random, held_out: bool) -> str:
    head = random.choice(_HELD_HEADS.split() if held_out else _HEADS)
    return head + random.choice(_TAILS_ALL)


def person(random: Random, held_out: bool = False) -> str:
    first = random.choice(_HELD_FIRST.split() if held_out else _FIRST)
    middle = f" {random.choice('ABCDEFGHJKLMNPRSTW')}." if random.random() < 0.1 else ""
    return f"{first}{middle} {_surname(random, held_out)}"


def titled(random: Random, held_out: bool = False) -> str:
    title = random.choice(("Dr", "Professor", "Mr", "Ms", "Mrs", "", "", "", ""))
    return f"{title} {person(random, held_out)}".strip()


def company(random: Random, held_out: bool = False) -> str:
    return f"{_surname(random, held_out)} {random.choice(_TRADES)} {random.choice(_FORMS)}"


def firm(random: Random, held_out: bool = False) -> str:
    second = f" {_surname(random, held_out)}" if random.random() < 0.5 else ""
    return f"{_surname(random, held_out)}{second} {random.choice(_FIRM_FORMS)}"


def date(random: Random, held_out: bool = False) -> str:
    day, month = random.randint(1, 28), random.choice(_MONTHS)
    year = random.randint(1995, 2034)
    return random.choice((f"{day} {month} {year}", f"{month} {day}, {year}", f"{day} {month}", f"{month} {year}"))


def full_date(random: Random, held_out: bool = False) -> str:
    return f"{random.randint(1, 28)} {random.choice(_MONTHS)} {random.randint(1995, 2034)}"


def day_time(random: Random, held_out: bool = False) -> str:
    return f"{random.choice(_DAYS)} at {clock(random)}"


def weekday(random: Random, held_out: bool = False) -> str:
    return random.choice(_DAYS)


def clock(random: Random, held_out: bool = False) -> str:
    hour, minute = random.randint(6, 21), random.choice((0, 0, 10, 15, 20, 30, 40, 45, 50))
    if random.random() < 0.5:
        return f"{hour:02d}:{minute:02d}"
    return f"{(hour - 1) % 12 + 1}{f':{minute:02d}' if minute else ''} {'am' if hour < 12 else 'pm'}"


def year(random: Random, held_out: bool = False) -> str:
    return str(random.randint(1871, 2034))


def _figure(random: Random) -> str:
    low, high = random.choice(((1, 10), (10, 100), (100, 1000)))
    whole = random.randint(low, high - 1)
    return f"{whole}.{random.randint(1, 9)}" if random.random() < 0.5 else str(whole)


def amount(random: Random, held_out: bool = False) -> str:
    sign = random.choice(("$", "£", "EUR ", "€", "CHF "))
    if random.random() < 0.5:
        return f"{sign}{_figure(random)} {random.choice(('million', 'million', 'billion'))}"
    return f"{sign}{random.randint(2, 999)},{random.choice((0, 0, 500, 250, random.randint(0, 999))):03d}"


def small_amount(random: Random, held_out: bool = False) -> str:
    sign = random.choice(("$", "£", "€", "CHF "))
    return f"{sign}{random.randint(5, 990)}" + (
        f".{random.choice((50, 90, 95, 25)):02d}" if random.random() < 0.3 else ""
    )


def percent(random: Random, held_out: bool = False) -> str:
    whole = random.randint(1, 96)
    figure = f"{whole}.{random.randint(1, 9)}" if random.random() < 0.5 else str(whole)
    return figure + random.choice(("%", "%", " percent", " per cent"))


def count(random: Random, held_out: bool = False) -> str:
    n = random.choice((random.randint(3, 99), random.randint(100, 999), random.randint(1000, 48000)))
    return f"{n:,}"


def small_count(random: Random, held_out: bool = False) -> str:
    words = "three four five six seven eight nine ten eleven twelve fourteen fifteen eighteen twenty thirty".split()
    return random.choice((random.choice(words), str(random.randint(3, 60))))


def duration(random: Random, held_out: bool = False) -> str:
    n = random.choice((*map(str, range(2, 37)), "three", "six", "nine", "twelve", "eighteen", "two", "five", "ten"))
    return f"{n} {random.choice(('days', 'working days', 'weeks', 'months', 'months', 'years'))}"


def minutes(random: Random, held_out: bool = False) -> str:
    return (
        f"{random.choice((2, 3, 5, 8, 10, 12, 15, 20, 25, 30, 40, 45, 60, 90))} {random.choice(('minutes', 'seconds'))}"
    )


def street(random: Random, held_out: bool = False) -> str:
    return f"{random.randint(1, 240)} {_surname(random, held_out)} {random.choice(_STREETS)}"


def room(random: Random, held_out: bool = False) -> str:
    if random.random() < 0.5:
        return f"{random.choice(_ROOMS)} {random.choice((*'ABCDEF', *map(str, range(1, 40))))}"
    return f"the {_surname(random, held_out)} {random.choice(_ROOMS)}"


def phone(random: Random, held_out: bool = False) -> str:
    return f"{random.randint(200, 999)}-{random.randint(0, 9999):04d}"


def extension(random: Random, held_out: bool = False) -> str:
    return str(random.randint(1000, 9999))


def email(random: Random, held_out: bool = False) -> str:
    box = random.choice(
        ("info", "office", "claims", "support", "orders", "accounts", "help", "press", "service", "desk")
    )
    return f"{box}@{_surname(random, held_out).lower()}.{random.choice(('com', 'org', 'net', 'co.uk', 'eu'))}"


def code(random: Random, held_out: bool = False) -> str:
    letters = "".join(random.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(random.choice((1, 2, 3))))
    return f"{letters}{random.choice(('-', '-', '/', ' ', ''))}{random.randint(10, 99999)}"


def temperature(random: Random, held_out: bool = False) -> str:
    return f"{random.randint(2, 240)} {random.choice(('degrees', 'degrees Celsius', '°C'))}"


def weight(random: Random, held_out: bool = False) -> str:
    return (
        f"{_figure(random)} {random.choice(('kg', 'kilograms', 'tonnes', 'grams', 'litres', 'metres', 'bar', 'watts'))}"
    )


def colour(random: Random, held_out: bool = False) -> str:
    return random.choice(_COLOURS)


def material(random: Random, held_out: bool = False) -> str:
    return random.choice(_MATERIALS)


def goods(random: Random, held_out: bool = False) -> str:
    return random.choice(_GOODS)


def topic(random: Random, held_out: bool = False) -> str:
    return random.choice(_TOPICS)


def sector(random: Random, held_out: bool = False) -> str:
    return random.choice(_SECTORS)


DRAWS: dict[str, Callable[[Random, bool], str]] = {
    draw.__name__: draw
    for draw in (
        *(town, person, titled, company, firm, date, full_date, day_time, weekday, clock, year, amount, small_amount),
        *(percent, count, small_count, duration, minutes, street, room, phone, extension, email, code, temperature),
        *(weight, colour, material, goods, topic, sector),
    )
}
"""By the names that the table of facts uses; each takes whether its parts are those of evaluation."""
