"""What facts are about: names, places, numbers, dates and other values, drawn at random in English or Korean.

Knows nothing of sentences. Every function takes the random generator first and a language, "en" or "ko".
"""

from random import Random

_EN_FIRST = (
    "Ada Alan Alma Amos Anna Arlo Beth Boris Bruno Carla Cecil Clara Conor Daisy David Della Edgar Elena Eliza Emil "
    "Erik Esther Felix Fiona Frank Gemma George Gloria Grace Hazel Helen Henry Hugo Ida Igor Irene Isaac Ivan Jacob "
    "Jane Jasper Joel Judith Julia Karl Kate Keith Laura Leon Lewis Lily Louis Lucy Mabel Marco Maria Martin Megan "
    "Milo Mona Nadia Nathan Nina Noah Nora Olga Oscar Otto Pablo Paula Peter Petra Quentin Rachel Ralph Rita Robert "
    "Rosa Ruth Samuel Sara Simon Sofia Stella Tessa Theo Thomas Uma Ursula Victor Vera Walter Wanda Wendy Yusuf Zoe"
).split()
_EN_LAST = (
    "Abbott Adler Archer Baker Barlow Becker Bennett Bishop Blake Bowen Brandt Burke Byrne Carver Chase Clarke Cole "
    "Cooper Crane Dalton Davis Drake Duncan Eaton Ellis Evans Farrell Fischer Fleming Foster Frost Garner Gibson Grant "
    "Griffin Hale Harper Hayes Hobbs Holt Hughes Irwin Jensen Keller Kemp Knight Lambert Lane Larsen Lloyd Lowell Marsh "
    "Mason Mercer Miller Moreno Morris Nash Newman Nolan Norris Ortega Osborn Palmer Parker Payne Pierce Porter Quinn "
    "Ramsey Reed Rhodes Rivers Rowe Sanders Shaw Silva Slater Stone Sutton Tanner Thorne Tucker Vance Vaughn Walsh "
    "Ward Watts Weaver Webb Weston Wolfe Yates York Young"
).split()
_KO_LAST = "김 이 박 최 정 강 조 윤 장 임 한 오 서 신 권 황 안 송 류 홍 전 고 문 양 손 배 백 허 남 심".split()
_KO_FIRST = "민 서 지 현 수 영 도 하 은 준 우 태 성 재 유 예 주 나 다 소 승 진 경 미 선 동 상 정 혜 윤".split()
_KO_SECOND = "호 연 아 희 진 우 석 훈 영 미 수 현 준 은 빈 율 린 경 환 철 규 원 정 란 숙 범 용 일 혁 주".split()

_CITIES = {
    "en": "Aberdeen Antwerp Athens Austin Baltimore Bergen Bilbao Bologna Boston Bristol Cairo Calgary Cardiff Chicago "
    "Cologne Cork Dallas Denver Dresden Dublin Durban Florence Geneva Genoa Ghent Glasgow Granada Halifax Hamburg "
    "Helsinki Houston Istanbul Kyoto Leeds Lima Lisbon London Lyon Madrid Manila Memphis Milan Montreal Munich Nairobi "
    "Naples Osaka Oslo Oxford Paris Perth Porto Prague Quebec Riga Rome Salem Seattle Seville Sofia Tokyo Toledo Turin "
    "Utrecht Valencia Venice Vienna Warsaw York Zurich".split(),
    "ko": "서울 부산 대구 인천 광주 대전 울산 세종 수원 성남 고양 용인 안양 안산 평택 의정부 춘천 원주 강릉 속초 청주 충주 제천 천안 공주 "
    "아산 전주 군산 익산 남원 목포 여수 순천 나주 포항 경주 안동 구미 영주 창원 진주 통영 거제 김해 밀양 제주 서귀포 도쿄 오사카 교토 "
    "파리 런던 로마 베를린 빈 마드리드 리스본 하노이 방콕 뉴욕 보스턴 시카고".split(),
}
_WORDS = {
    "colour": {
        "en": "red blue green yellow white black grey brown orange purple pink silver golden crimson turquoise".split(),
        "ko": "빨간색 파란색 초록색 노란색 하얀색 검은색 회색 갈색 주황색 보라색 분홍색 은색 금색 하늘색 남색".split(),
    },
    "animal": {
        "en": "cat dog parrot rabbit hamster turtle goldfish pony canary ferret lizard goose donkey hedgehog snake goat "
        "pigeon squirrel".split(),
        "ko": "고양이 강아지 앵무새 토끼 햄스터 거북이 금붕어 조랑말 카나리아 족제비 도마뱀 거위 당나귀 고슴도치 뱀 염소 비둘기 "
        "다람쥐".split(),
    },
    "food": {
        "en": "lentil soup,apple pie,fried rice,roast duck,plum cake,fish stew,goat cheese,rye bread,potato salad,"
        "mushroom risotto,lemon tart,grilled trout,onion soup,walnut cake,baked beans,chestnut cream".split(","),
        "ko": "비빔밥 냉면 김치찌개 된장찌개 불고기 잡채 갈비탕 칼국수 떡볶이 순두부 삼계탕 만두 파전 육개장 콩국수 호박죽".split(),
    },
    "profession": {
        "en": "baker carpenter dentist goldsmith farmer gardener judge lawyer librarian mechanic nurse painter pharmacist "
        "photographer pilot plumber poet sailor surgeon tailor teacher translator".split(),
        "ko": "제빵사 목수 치과의사 편집자 농부 정원사 판사 변호사 사서 정비사 간호사 화가 약사 사진작가 조종사 배관공 시인 선원 외과의사 "
        "재단사 교사 번역가".split(),
    },
    "thing": {
        "en": "bicycle,umbrella,suitcase,front door,raincoat,lamp,notebook,teapot,scarf,boat,armchair,mailbox,"
        "guitar,blanket,bookcase,garden gate".split(","),
        "ko": "자전거 우산 여행가방 대문 비옷 등잔 공책 찻주전자 목도리 보트 안락의자 우편함 기타 담요 책장 모자".split(),
    },
    "event": {
        "en": "meeting,concert,auction,lecture,wedding,inspection,rehearsal,exhibition,parade,picnic,debate,hearing,"
        "ceremony,dinner,race,workshop".split(","),
        "ko": "회의 음악회 경매 강연 결혼식 점검 예행연습 전시회 행진 소풍 토론회 청문회 기념식 만찬 경주 연수회".split(),
    },
    "site": {
        "en": "town hall,old mill,railway station,city library,harbour office,north gate,botanical garden,post office,"
        "chapel,lighthouse,school yard,market square,stone bridge,theatre,bakery,boat house,clock tower,museum".split(
            ","
        ),
        "ko": "시청 물레방앗간 기차역 시립도서관 항만사무소 북문 식물원 우체국 예배당 등대 운동장 시장광장 돌다리 극장 빵집 선착장 시계탑 "
        "박물관".split(),
    },
    "machine": {
        "en": "pump,printer,crane,generator,elevator,scanner,telescope,boiler,tractor,radio,compressor,projector".split(
            ","
        ),
        "ko": "펌프 인쇄기 기중기 발전기 승강기 스캐너 망원경 보일러 트랙터 무전기 압축기 영사기".split(),
    },
    "adjective": {
        "en": "old new small large second third spare broken heavy northern southern eastern western upper lower".split(),
        "ko": "낡은 새 작은 큰 둘째 셋째 예비 고장난 무거운 북쪽 남쪽 동쪽 서쪽 위쪽 아래쪽".split(),
    },
    "company_head": {
        "en": "Amber Beacon Cedar Crown Delta Eagle Falcon Garnet Harbor Indigo Juniper Lantern Maple Nimbus Orchid Pioneer "
        "Quartz Raven Summit Topaz Union Velvet Willow Zenith".split(),
        "ko": "한빛 새벽 대양 푸른 은하 태산 가람 누리 하늘 동해 미래 청솔 해돋이 무지개 나래 온누리 솔빛 금강 백두 한라".split(),
    },
    "company_tail": {
        "en": "Textiles Motors Shipping Foods Press Mining Glass Paper Tools Optics Farms Instruments Paints Toys".split(),
        "ko": "섬유 자동차 해운 식품 출판 광업 유리 제지 공구 광학 농장 기기 물감 완구".split(),
    },
    "keyword": {
        "en": "anchor basket candle desert ember feather glacier hollow island jungle kettle ladder meadow needle ocean "
        "pebble quarry ribbon saddle thunder umbrella valley walnut yarn zeppelin acorn bridge copper dragon engine "
        "forest gravel hammer ivory jacket kernel lantern magnet nectar orchard pepper quiver rocket silver timber".split(),
        "ko": "닻 바구니 촛불 사막 불씨 깃털 빙하 섬 정글 주전자 사다리 초원 바늘 바다 조약돌 채석장 리본 안장 천둥 골짜기 호두 털실 도토리 "
        "다리 구리 용 엔진 숲 자갈 망치 상아 외투 낟알 등불 자석 꿀 과수원 후추 로켓 은 목재".split(),
    },
    "verb_phrase": {
        "en": "walk along the river,feed the ducks,visit the old museum,drink hot chocolate,climb the bell tower,"
        "rent a small boat,read in the public garden,listen to the street musicians,eat fresh oysters,"
        "watch the sunset from the hill,buy flowers at the market,ride the cable car,sit by the fountain,"
        "taste the local cheese,swim in the lake,take the night train,play chess in the square,pick wild berries".split(
            ","
        ),
        "ko": "강가를 걷기,오리에게 먹이 주기,옛 박물관 둘러보기,뜨거운 차 마시기,종탑에 오르기,작은 배 빌려 타기,공원에서 책 읽기,"
        "거리 음악 듣기,신선한 굴 먹기,언덕에서 노을 보기,시장에서 꽃 사기,케이블카 타기,분수 옆에 앉기,치즈 맛보기,호수에서 수영하기,"
        "야간열차 타기,광장에서 장기 두기,산딸기 따기".split(","),
    },
}
_MONTHS = "January February March April May June July August September October November December".split()


def word(random: Random, language: str, kind: str) -> str:
    """One word of a kind: colour, animal, food, profession, thing, event, site, machine, keyword and so on."""
    return random.choice(_WORDS[kind][language])


def person(random: Random, language: str) -> str:
    if language == "ko":
        return random.choice(_KO_LAST) + random.choice(_KO_FIRST) + random.choice(_KO_SECOND)
    return f"{random.choice(_EN_FIRST)} {random.choice(_EN_LAST)}"


def city(random: Random, language: str) -> str:
    return random.choice(_CITIES[language])


def digits(random: Random, n: int) -> str:
    """n digits; a leading zero is allowed, as in a code."""
    return "".join(random.choice("0123456789") for _ in range(n))


def number(random: Random, n: int) -> str:
    """n digits that do not start with a zero, as in a count."""
    return random.choice("123456789") + digits(random, n - 1)


def code(random: Random, language: str) -> str:
    """Letters and digits such as KX-482 or 7B-1190."""
    letters = "".join(random.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(2))
    head = letters if random.random() < 0.7 else random.choice("123456789") + letters[0]
    return f"{head}-{digits(random, random.choice((3, 4)))}"


def date(random: Random, language: str) -> str:
    year, month, day = random.randint(1790, 2029), random.randint(1, 12), random.randint(1, 28)
    return f"{year}년 {month}월 {day}일" if language == "ko" else f"{_MONTHS[month - 1]} {day}, {year}"


def clock(random: Random, language: str) -> str:
    hour, minute = random.randint(1, 12), random.choice(range(0, 60, 5))
    if language == "ko":
        return f"{random.choice(('오전', '오후'))} {hour}시 {minute}분"
    return f"{hour}:{minute:02d} {random.choice(('am', 'pm'))}"


def amount(random: Random, language: str) -> str:
    if language == "ko":
        return f"{number(random, random.choice((2, 3)))}만 {random.choice('123456789')}천 원"
    return f"${number(random, random.choice((2, 3)))}.{digits(random, 2)}"


def company(random: Random, language: str) -> str:
    return f"{word(random, language, 'company_head')} {word(random, language, 'company_tail')}"


def described(random: Random, language: str, kind: str) -> str:
    """An adjective and a word: "the spare pump"."""
    article = "" if language == "ko" else "the "
    return f"{article}{word(random, language, 'adjective')} {word(random, language, kind)}"


def owned(random: Random, language: str, kind: str) -> str:
    """Somebody's thing: "Ada Stone's umbrella"."""
    mark = "의 " if language == "ko" else "'s "
    return f"{person(random, language)}{mark}{word(random, language, kind)}"


def placed(random: Random, language: str, kind: str) -> str:
    """Something in a city: "the concert in Oslo"."""
    if language == "ko":
        return f"{city(random, language)} {word(random, language, kind)}"
    return f"the {word(random, language, kind)} in {city(random, language)}"


def activity(random: Random, language: str) -> str:
    first, second = random.sample(_WORDS["verb_phrase"][language], 2)
    return first if random.random() < 0.5 else first + (", " if language == "ko" else " and ") + second
