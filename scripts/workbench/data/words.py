"""English words, frequent first: wordfreq's list without what is no word, and a table of hyphenated compounds."""

import re
from functools import cache

# Letters outside these begin acronyms, not English words ("fbi", "dna", "hdmi").
ONSETS = frozenset(
    "b bl br c ch chl chr cl cr cz d dr dw f fj fl fr g gh gl gn gr h j k kh kl kn kr l ll m mn n p ph phr pl pn pr "
    "ps pt qu r rh s sc sch schm schn schw scl scr sh shr sk sl sm sn sp sph spl spr squ st str sv sw t th thr thw "
    "tr ts tw v vl w wh wr x y z zh".split()
)
# Short words are where acronyms and names hide, so those of two and three letters are listed.
SHORT_WORDS = frozenset(
    "a i ah am an as at be by do eh go ha he hi ho if in is it me my no of oh ok on or so to uh um up us we ye yo "
    "ace act add age ago aid aim air ale all and ant any ape apt arc are ark arm art ash ask ate awe axe aye bad "
    "bag ban bar bat bay bed bee beg bet bid big bin bit boo bow box boy bra bud bug bum bun bus but buy bye cab "
    "can cap car cat cog cop cow coy cry cub cue cup cut dad dam day den dew did die dig dim dip doe dog don dot "
    "dry due dug dye ear eat ebb eel egg ego elf elk elm end era eve ewe eye fan far fat fax fed fee few fig fin "
    "fir fit fix flu fly foe fog for fox fun fur gag gal gap gas gay gel gem get gig gin god got gum gun gut guy "
    "gym had hag ham has hat hay hem hen her hey hid him hip his hit hog hop hot how hub hue hug huh hum hut ice "
    "icy ill imp ink inn ion its ivy jab jam jar jaw jay jet job jog joy jug keg key kid kin kit lab lad lag lap "
    "law lax lay led leg let lid lie lip lit log lot low mad man map mat maw may men met mid mix mob mop mow mud "
    "mug mum nap net new nod nor not now nun nut oak oar oat odd off oft oil old one opt orb ore our out owe owl "
    "own pad pal pan par pat paw pay pea peg pen pep per pet pew pie pig pin pit ply pod pop pot pro pry pub pun "
    "pup put rag ram ran rap rat raw ray red rib rid rig rim rip rob rod rot row rub rug rum run rut rye sac sad "
    "sag sap sat saw say sea see set sew she shy sin sip sir sis sit six ski sky sly sob son sow soy spa spy sub "
    "sue sum sun tab tag tan tap tar tax tea ted tee ten the thy tie tin tip toe tom ton too top tow toy try tub "
    "tug two urn use van vat vet via vow wag war was wax way web wed wee wet who why wig win wit woe won wow yak "
    "yam yea yen yes yet you zip zoo".split()
)
WITHOUT_VOWEL = frozenset("brr dr hmm mr mrs ms nth pfft psst shh tsk tv vs".split())
NOT_WORDS = frozenset(
    "html http https www url href utc gmail lmao lmfao imho asap afaik nato nasa ieee aids espn unicef unesco ngos "
    "dont didnt doesnt isnt wasnt couldnt wouldnt shouldnt havent hasnt hadnt arent werent aint cant wont youre "
    "youve youll theyre theyve theyll weve thats whats heres theres whos hows shouldve couldve wouldve gonna gotta "
    "wanna viii xiii xvii xviii xxiii uefa fifa iphone ipad itunes ebay".split()
)
# head: tails, each a hyphenated word in ordinary use.
COMPOUNDS = {
    **{f"{ten}ty": "one two three four five six seven eight nine" for ten in
       ("twen", "thir", "for", "fif", "six", "seven", "eigh", "nine")},
    "all": "around black day inclusive knowing important night out powerful round star time",
    "anti": "aging american climax hero inflammatory semitic slavery social tank terrorism virus war",
    "broad": "based brush minded shouldered spectrum",
    "brother": "in-law",
    "bullet": "point proof ridden",
    "class": "action based conscious",
    "clean": "cut energy living shaven up",
    "close": "knit range up minded fitting",
    "co": "author chair exist founder op operate opt ordinate owner pilot star worker writer",
    "cold": "blooded call hearted war weather",
    "color": "blind coded",
    "cost": "benefit cutting effective free saving",
    "cross": "border check country cultural examine examination eyed legged party reference section platform",
    "daughter": "in-law",
    "day": "care dream long to-day tripper",
    "deep": "fried rooted sea seated set",
    "double": "breasted check cross decker digit edged sided talk",
    "down": "to-earth and-out",
    "drive": "by in through thru",
    "dry": "clean dock eyed",
    "e": "book commerce mail reader",
    "easy": "going to-use",
    "eight": "hour year sided",
    "empty": "handed headed",
    "ever": "changing green growing increasing present",
    "ex": "boyfriend con girlfriend husband minister partner president soldier wife",
    "eye": "catching level opener opening popping witness",
    "face": "lift off saving to-face",
    "fair": "haired minded skinned trade weather",
    "far": "away fetched flung off reaching right sighted left",
    "fast": "food forward growing moving paced track",
    "father": "in-law",
    "fifth": "floor grade largest",
    "first": "aid born class degree ever generation hand person rate round team time year",
    "five": "day fold minute star week year",
    "follow": "on through up",
    "forward": "looking thinking",
    "four": "day door fold legged letter part star way wheel year",
    "free": "fall floating for-all range standing trade",
    "front": "line page runner row end",
    "full": "back blown body fledged frontal length page scale screen service size time",
    "get": "away go together",
    "go": "ahead between getter kart to",
    "good": "bye hearted humored looking natured will",
    "grand": "slam scale",
    "ground": "breaking floor level zero",
    "half": "baked brother century day dozen hearted hour life marathon moon sister staff time truth way year",
    "hand": "crafted held made me-down off on out picked to-hand washed written",
    "hard": "boiled core earned headed hit hitting line pressed wired won working",
    "heart": "breaking broken felt shaped stopping to-heart warming",
    "heavy": "duty handed hearted metal set weight",
    "high": "class definition density end energy grade level pitched powered pressure priced profile quality ranking "
            "resolution rise risk school speed tech value voltage yield",
    "home": "based cooked grown made run schooled work",
    "hot": "blooded button dog headed rod tempered",
    "ice": "cold cream breaker skating",
    "ill": "advised conceived equipped fated gotten informed prepared timed treatment will",
    "in": "depth flight game house laws line person store vitro",
    "inter": "agency city faith korean",
    "jack": "in-the-box of-all-trades knife",
    "kick": "off start",
    "know": "how it-all nothing",
    "large": "scale sized",
    "last": "ditch gasp minute place",
    "late": "night stage term",
    "law": "abiding maker making suit",
    "left": "back hand handed hander leaning over wing",
    "life": "changing cycle giving like long saving size sized threatening time",
    "light": "hearted headed skinned weight year",
    "like": "minded wise",
    "little": "known used",
    "long": "awaited distance forgotten haired haul lasting life lived lost range running serving sleeved standing "
            "suffering term time winded",
    "love": "hate making sick story",
    "low": "carb cost cut end fat income key level lying paid pressure priced quality risk rise",
    "make": "believe over shift up",
    "man": "made eating hunt sized",
    "mass": "market produced production",
    "merry": "go-round making",
    "mid": "air atlantic century day field life morning range season summer term thirties twenties week winter year",
    "middle": "aged class east income school sized",
    "mind": "blowing boggling set numbing",
    "mother": "in-law of-pearl",
    "multi": "billion coloured cultural faceted lingual media million national player purpose storey task user",
    "narrow": "gauge minded",
    "near": "by death field miss perfect term",
    "never": "ending before-seen",
    "new": "age born comer found look wave",
    "nine": "year month to-five",
    "no": "brainer fault fly-zone frills go holds-barred nonsense one show win",
    "non": "existent fiction government invasive linear native negotiable partisan profit smoking sense stick stop "
           "toxic verbal violence violent",
    "north": "east south west western",
    "off": "balance beat broadway campus duty grid guard hand limits line road season shore site the-shelf the-wall "
           "topic white",
    "old": "age fashioned school style time timer world",
    "on": "air board call campus demand duty going line screen set site stage the-job time",
    "one": "third dimensional handed liner off man night on-one party piece sided size stop time to-one way year",
    "open": "air door ended handed hearted minded mouthed plan source top",
    "out": "dated of-date of-pocket of-the-way of-town patient",
    "over": "abundance confident the-counter the-top",
    "part": "owner time timer way",
    "passer": "by",
    "post": "apocalyptic doctoral election game industrial modern mortem operative production punk season war",
    "pre": "approved built dawn eminent emptive existing game industrial made order paid school season teen war",
    "price": "earnings fixing less tag",
    "pro": "am choice democracy european government life rata russian western",
    "quasi": "judicial official military",
    "question": "and-answer mark",
    "quick": "fire fix tempered witted",
    "razor": "sharp thin",
    "re": "elect election enact enter entry establish evaluate examine open release run sign use write",
    "ready": "made to-eat to-wear",
    "real": "estate life time world",
    "record": "breaking holder keeping setting",
    "red": "blooded brick carpet eye faced haired handed hot light neck",
    "right": "angled back hand handed hander minded of-way winger wing",
    "round": "table the-clock trip up",
    "runner": "up",
    "second": "best born class degree generation guess half hand largest place rate round team to-none year",
    "self": "absorbed assured aware awareness centered conscious contained control confidence declared defeating "
            "defense destruct destruction determination discipline driving educated employed esteem evident "
            "expression governing help identity image imposed improvement indulgent inflicted interest made pity "
            "portrait preservation proclaimed published reliance reliant respect righteous sacrifice service "
            "styled sufficient taught worth",
    "semi": "annual automatic circle conductor conscious detached final finals nude official permanent precious pro "
            "retired skilled trailer truck",
    "seven": "day fold time year",
    "short": "circuit haired handed lived range sighted sleeved staffed story tempered term",
    "side": "by-side effect kick step view walk",
    "single": "celled digit family handed handedly minded mother player sex story use",
    "sister": "in-law",
    "six": "day figure foot month pack shooter week year",
    "sky": "blue high scraper",
    "slow": "burning cooked moving motion paced",
    "small": "arms business minded scale time town",
    "smoke": "filled free screen",
    "so": "and-so called",
    "soft": "boiled core hearted spoken ware",
    "son": "in-law",
    "south": "central east eastern facing west",
    "spin": "off out",
    "state": "controlled funded level of-the-art owned run sponsored wide",
    "step": "by-step brother daughter mother sister son",
    "stop": "and-go gap motion over",
    "strong": "arm minded willed",
    "sub": "committee continent genre human par saharan standard tropical zero",
    "sugar": "coated free",
    "take": "away home off out over",
    "ten": "day fold minute year",
    "thick": "skinned walled",
    "third": "class degree generation largest party person place quarter rate round world year",
    "three": "bedroom course day dimensional fold game hour judge legged month part piece point quarter star time way "
             "week year",
    "time": "consuming honored lapse line out saving sensitive share table tested",
    "tip": "off toe top",
    "top": "down heavy level notch of-the-line ranked rated secret selling seeded ten tier",
    "trade": "in mark off show union",
    "trans": "atlantic fat pacific siberian",
    "twelve": "month step year",
    "two": "bedroom day dimensional door edged faced fold hour part party piece seater sided state step story third "
           "thirds time timing tone way week wheeler year",
    "un": "american christian ionized",
    "under": "age appreciated cover funded the-table twenty-one water",
    "up": "and-coming close front market tempo to-date",
    "user": "defined friendly generated name",
    "vice": "captain chairman chancellor like president versa",
    "war": "torn like time weary",
    "water": "based cooled front logged proof repellent resistant soluble tight",
    "weather": "beaten proof related",
    "well": "adjusted advised aware balanced behaved being built connected defined deserved designed documented "
            "dressed earned educated established fed founded funded groomed heeled informed intentioned kept known "
            "liked made maintained mannered meaning off organized paid placed planned prepared preserved read received "
            "respected rounded spent spoken suited thought-out timed to-do trained used versed wishers worn written",
    "wide": "angle area awake body eyed open ranging reaching scale",
    "wild": "card eyed fire goose-chase",
    "win": "win loss",
    "wind": "powered chill swept",
    "work": "around in-progress life load out related shop",
    "world": "beating class famous leading renowned wide weary",
    "worst": "case off",
    "would": "be",
    "x": "ray rays rated",
    "year": "end long old on-year round to-date",
    "yo": "yo",
    "young": "adult at-heart looking",
    "zero": "day emission gravity sum tolerance waste",
}  # fmt: skip
# The same from the other end.
COMPOUNDS_BY_TAIL = {
    "based": "account broad cloud community computer data evidence faith family fact game home internet land market "
             "paper performance plant race rule school science skill state team text web",
    "bound": "desk duty earth east home house north south west wheelchair",
    "conscious": "budget cost fashion health price status",
    "controlled": "computer state temperature voice",
    "eyed": "blue brown dark green one sharp starry wild",
    "filled": "action cream fun gas stress",
    "free": "alcohol caffeine care dairy drug duty error fat gluten hands lead meat nut pain risk rent scot stress tax "
            "toll trouble virus",
    "friendly": "budget child customer dog eco environmentally family kid media pet reader tax",
    "haired": "brown curly dark grey red silver",
    "headed": "bald big clear cool empty level pig two",
    "hearted": "big black broken faint kind lion warm",
    "intensive": "energy labor resource time",
    "led": "community government state student",
    "legged": "bare bow long peg six two",
    "like": "animal business child dream ghost god lady war",
    "long": "decades hours life months week weeks years",
    "looking": "backward best better good outward",
    "made": "custom factory machine purpose tailor",
    "minded": "absent bloody civic community fair feeble serious",
    "old": "age centuries month week",
    "oriented": "action business detail family future goal object process result service",
    "proof": "child fire fool future sound tamper",
    "related": "age alcohol business cancer drug family gun health heat pregnancy race stress tobacco traffic weather",
    "rich": "calcium feature mineral oil protein resource",
    "right": "all civil far",
    "shaped": "bell cone diamond egg heart pear",
    "sized": "bite family medium pocket",
    "specific": "age country gender industry site",
    "wide": "city company country industry nation province school system",
    "year-old": "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
                "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety",
}  # fmt: skip
# wordfreq estimates a compound from its parts: far too common for common parts, too rare for rare ones. Its Zipf value
# is shrunk towards the middle, so that most of them are in the large list and few in the small one.
COMPOUND_INTERCEPT, COMPOUND_SLOPE = 2.5, 0.35
CRUDE = re.compile(
    "(mother|bull|horse|dip)?(fuck|shit).*|cunts?|porn.*|blowjobs?|bitch.*|nigg(a|er)s?|fagg?ots?|whores?|slut.*|wank.*"
    "|masturbat.*|dildos?|hentai|milfs?|jizz|puss(y|ies)|(dumb|jack)?ass(hole)?s?|cocks?|dick(s|head|heads)?"
    "|rap(e[ds]?|ists?)|tits|horny|penis(es)?|vagina[ls]?|anal|anus|orgasms?|nudes?"
)
FOREIGN_LANGUAGES = ("de", "es", "fi", "fr", "id", "it", "nl", "pl", "pt", "sv", "tr")
# A word this many times as frequent in another language is that language's.
FOREIGN_RATIO = 300


@cache
def english_words(count: int) -> tuple[str, ...]:
    """The `count` most frequent words of a-z and inner hyphens, by wordfreq's Zipf frequency.

    Raises:
        ValueError: more words are asked for than the list holds.
    """
    from wordfreq import get_frequency_dict, top_n_list, zipf_frequency

    candidates = [word for word in top_n_list("en", 2 * count + 2000) if is_word(word)]
    english, foreign = get_frequency_dict("en"), _foreign_frequencies()
    own = [word for word in candidates if len(word) <= 3 or foreign.get(word, 0.0) <= FOREIGN_RATIO * english[word]]
    scores = {word: zipf_frequency(word, "en") for word in own}
    for word in compounds():
        scores[word] = COMPOUND_INTERCEPT + COMPOUND_SLOPE * zipf_frequency(word, "en")
    ranked = sorted(scores, key=lambda word: (-scores[word], word))
    if len(ranked) < count:
        raise ValueError(f"{count} words were asked for and there are {len(ranked)}")
    return tuple(ranked[:count])


def is_word(text: str) -> bool:
    """Whether it can be an English word: no acronym, Roman numeral, web address, drawn-out sound or obscenity."""
    if len(text) <= 3:
        return text in SHORT_WORDS or text in WITHOUT_VOWEL
    plain = re.fullmatch("[a-z]+", text) and not re.search(r"(.)\1\1", text) and not re.fullmatch("[ivx]+", text)
    if not plain or text in NOT_WORDS or CRUDE.fullmatch(text) or not re.search("[aeiouy]", text):
        return False
    onset = re.match(r"y?(?:qu|[^aeiouy])*", text)[0]
    return onset == "" or onset in ONSETS


def compounds() -> list[str]:
    """The hyphenated words of both tables, each once."""
    by_head = (f"{head}-{tail}" for head, tails in COMPOUNDS.items() for tail in tails.split())
    by_tail = (f"{head}-{tail}" for tail, heads in COMPOUNDS_BY_TAIL.items() for head in heads.split())
    return list(dict.fromkeys((*by_head, *by_tail)))


def _foreign_frequencies() -> dict[str, float]:
    """Each word's highest frequency in another language."""
    from wordfreq import get_frequency_dict

    highest: dict[str, float] = {}
    for language in FOREIGN_LANGUAGES:
        for word, frequency in get_frequency_dict(language, "small").items():
            highest[word] = max(frequency, highest.get(word, 0.0))
    return highest
