"""What is asked of a desk: bench/QUERIES.md, made from a sample of its tickets."""

import json
import random
import re
import unicodedata
from collections import Counter
from itertools import combinations

from .desk import PASSWORD, PEOPLE
from .load import Query
from .place import Failed

LINES = 2000
FILTERS = ("status=open&priority=high", "status=in_progress,pending&assigned_agent_id=me", "tag=vpn&priority=medium", "status=resolved&priority=low")
BESIDE_COMMENTS = ("health", "get", "list, newest", "list, deep page", "search, rare words", "search, frequent words", "dashboard")
WORDS = ("printer", "vpn", "laptop", "battery", "monitor", "keyboard", "network", "password", "invoice", "account", "server", "backup", "screen")


def beside_comments(name):
    """What a query is called while somebody comments."""
    return f"{name}, beside comments"


def get(path):
    """A line for requests.lua."""
    return f"GET\t/api/v1{path}"


def send(method, path, body):
    """The same, with a body."""
    return f"{method}\t/api/v1{path}\t{json.dumps(body)}"


def folded(text):
    """As the desk looks for it: in lower case, without accents."""
    return "".join(letter for letter in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(letter))


def shares(texts):
    """Each word with the part of these sets of words that have it, the most frequent first."""
    found = Counter(word for words in texts for word in words)
    return [(word, count / len(texts)) for word, count in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))]


class Sample:
    """Some tickets of a desk, by random ids, and pages around the middle of the list of all."""

    def __init__(self, desk, size=LINES, seed=7):
        self.draw = random.Random(seed)
        (newest,), _ = desk.get("/tickets?limit=1&sort=-id")
        ids = range(1, newest["id"] + 1)
        wanted = ids if len(ids) <= size else self.draw.sample(ids, size)
        self.tickets = []
        for number in wanted:
            status, _, body = desk.ask("GET", f"/tickets/{number}")
            # Withdrawn tickets are not there any more.
            if status == 200:
                self.tickets.append(json.loads(body))
            elif status != 404:
                raise Failed(f"GET /tickets/{number}: {status}")
        self.ids = [ticket["id"] for ticket in self.tickets]
        # A closed ticket takes neither comments nor changes.
        self.open_ids = [ticket["id"] for ticket in self.tickets if ticket["status"] != "closed"]
        self.agent = desk.get("/auth/me")[0]["id"]
        # The newer half of all tickets, which the pages of the way there have.
        self.newer = []
        self.deep = self._deep(desk)
        self.shares = shares([self.words(ticket) for ticket in self.tickets])
        self.whole_texts = [self._whole_text(desk, ticket) for ticket in self.tickets]

    @staticmethod
    def _whole_text(desk, ticket):
        """All that a search looks through."""
        comments, _ = desk.get(f"/tickets/{ticket['id']}/comments?limit=200")
        return "\n".join([ticket["title"], ticket["description"], *(comment["content"] for comment in comments)])

    def _deep(self, desk):
        """The addresses of pages around the middle of the list of all tickets."""
        path, passed, pages, total = "/tickets?limit=200", 0, [], None
        while True:
            page, headers = desk.get(path)
            total = total or int(headers["X-Total-Count"])
            passed += len(page)
            self.newer += [ticket["id"] for ticket in page]
            following = re.search(r'<([^>]+)>; rel="next"', headers.get("Link", ""))
            if not following:
                return pages or [path]
            path = following[1]
            if passed >= total * 0.4:
                pages.append(path.replace("limit=200", "limit=50"))
            if passed >= total * 0.5:
                return pages

    @staticmethod
    def words(ticket):
        """The words of title and description."""
        return set(re.findall(r"[a-z]{3,}", folded(f"{ticket['title']} {ticket['description']}")))

    def zipf(self, count):
        """Words as people use them: the second most frequent one half as often as the first, and so on."""
        words = [word for word, _ in self.shares]
        return self.draw.choices(words, [1 / rank for rank in range(1, len(words) + 1)], k=count)

    def rare_pairs(self):
        """Two words or numbers of one ticket, its comments included, of which each is in at most 1 % of all: as many
        different pairs as there are. What all clients ask for at the same time is found once for all of them."""
        texts = [set(re.findall(r"[a-z0-9]{3,}", folded(text))) for text in self.whole_texts]
        rare = {word for word, share in shares(texts) if share <= 0.01}
        found = {pair for words in texts for pair in combinations(sorted(words & rare), 2)}
        return [" ".join(pair) for pair in self.draw.sample(sorted(found), min(len(found), LINES))]

    def frequent_pairs(self):
        """Two words, of which each is in at least 10 % of all tickets."""
        often = [word for word, share in self.shares if share >= 0.10]
        return [f"{one} {other}" for one in often for other in often if one != other]


def reads(sample):
    """The queries that change nothing."""
    pick = lambda values: [get(sample.draw.choice(values)) for _ in range(LINES)]
    search = lambda texts: [get(f"/tickets?q={text.replace(' ', '+')}") for text in texts]
    one, other = sample.zipf(LINES), sample.zipf(LINES)
    queries = [
        Query("health"),
        Query("me", [get("/auth/me")]),
        Query("get", pick([f"/tickets/{number}" for number in sample.ids])),
        Query("get, any", [get(f"/tickets/{number}") for number in sample.draw.choices(sample.newer, k=10 * LINES)]),
        Query("list, newest", [get("/tickets?limit=50")]),
        Query("list, filtered", [get(f"/tickets?limit=50&{filters}") for filters in FILTERS]),
        Query("list, by priority", [get("/tickets?limit=50&sort=-priority")]),
        Query("list, deep page", [f"GET\t{path}" for path in sample.deep]),
        Query("search, one word", search(one)),
        Query("search, two words", search(map(" ".join, zip(one, other)))),
        Query("search, a beginning", search(word[:3] for word in one)),
        Query("search, rare words", search(sample.rare_pairs())),
        Query("search, frequent words", search(sample.frequent_pairs())),
        Query("dashboard", [get("/analytics/dashboard")]),
        Query("agent", [get(f"/analytics/agent/{sample.agent}")]),
    ]
    return [query for query in queries if query.lines or query.name == "health"]


def reads_beside(reads):
    """Those of them that are also asked while somebody comments, under names that say so. What a store remembers of answers must be
    renewed after each comment."""
    return [Query(beside_comments(query.name), query.lines) for query in reads if query.name in BESIDE_COMMENTS]


def writes(sample):
    """The queries that change something, each durable when it is answered."""
    word = lambda: sample.draw.choice(WORDS)
    comment = lambda: {"content": f"The {word()} works again after the {word()} was changed; this is note @@@@@@@@."}
    update = lambda: {"title": f"{word()} and {word()} fail again, case @@@@@@@@"}
    pick = lambda: sample.draw.choice(sample.open_ids)
    return [
        Query("health"),
        Query("comment", [send("POST", f"/tickets/{pick()}/comments", comment()) for _ in range(LINES)]),
        Query("create", [send("POST", "/tickets", new_ticket(sample.draw)) for _ in range(500)]),
        Query("update", [send("PATCH", f"/tickets/{pick()}", update()) for _ in range(LINES)]),
    ]


def new_ticket(draw):
    """A ticket to be opened."""
    word = lambda: draw.choice(WORDS)
    return {
        "title": f"{word()} {word()} fails on floor {draw.randrange(30)}",
        "description": f"Since this morning the {word()} does not work with the {word()}. It stops after some minutes, "
        "and then nobody on the floor can go on. Reported as @@@@@@@@.",
        "priority": draw.choice(("low", "medium", "high", "critical")),
        "tags": [word()],
    }


def people(desk):
    """The e-mail addresses of many people who can sign in: some are made for it."""
    made = [f"somebody{number}@load.example" for number in range(93)]
    for email in made:
        desk.post("/users", {"email": email, "full_name": "Somebody", "role": "user", "password": PASSWORD})
    return PEOPLE + made


def login(emails):
    """Sign-ins of these people."""
    return Query("login", [send("POST", "/auth/login", {"username": email, "password": PASSWORD}) for email in emails])
