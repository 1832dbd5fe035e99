"""Tests of what the bench computes: `python3 -m unittest suite.tests` in bench/."""

import math
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from . import aims, compare, load, queries, report, speed
from .load import Measure
from .place import Failed

WRK = """Running 1s test @ http://127.0.0.1:1
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.00ms    1.00ms   9.00ms   90.00%
    Req/Sec     1.00k     1.00     1.00k    90.00%
  Latency Distribution
     50%  850.00us
     75%    1.10ms
     90%    1.50ms
     99%    1.20s
  2000 requests in 1.00s, 1.00MB read
{}Requests/sec:   2000.00
Transfer/sec:      1.00MB
"""


class Load(unittest.TestCase):
    def test_rates_and_times_are_read(self):
        measure = load.parsed(WRK.format(""))
        self.assertEqual((measure.rate, measure.p50, measure.p99, measure.bad), (2000, 0.85, 1200, 0))

    def test_what_was_refused_is_not_done(self):
        measure = load.parsed(WRK.format("  Non-2xx or 3xx responses: 500\n"))
        self.assertEqual((measure.rate, measure.bad), (1500, 500))

    def test_broken_connections_are_told(self):
        measure = load.parsed(WRK.format("  Socket errors: connect 1, read 2, write 3, timeout 4\n"))
        self.assertEqual(measure.bad, 10)

    def test_no_answer_is_no_quick_answer(self):
        measure = load.parsed("  0 requests in 1.00s, 0.00B read\nRequests/sec:      0.00\n")
        self.assertEqual((measure.rate, measure.p99), (0, math.inf))

    def test_medians_are_of_each_figure_and_faults_are_added(self):
        found = load.median([Measure(1, 9, 30, 1), Measure(2, 8, 10, 0), Measure(3, 7, 20, 2)])
        self.assertEqual(found, Measure(2, 8, 20, 3, 0.0, first=30))


class Comparison(unittest.TestCase):
    @staticmethod
    def judged(ours, again, theirs):
        return compare.judged("get", {"ours": ours, "again": again, "theirs": theirs})[-1]

    def test_equal_ones_are_not_slower(self):
        self.assertEqual(self.judged([100, 102, 98], [101, 100, 99], [100, 101, 100]), "")

    def test_more_than_twice_the_noise_is_slower(self):
        self.assertEqual(self.judged([90, 91, 89], [90, 90, 90], [100, 101, 100]), "SLOWER")
        self.assertEqual(self.judged([100, 101, 100], [100, 100, 101], [90, 91, 89]), "faster")

    def test_what_the_noise_explains_is_not_slower(self):
        self.assertEqual(self.judged([90, 93, 87], [93, 90, 90], [92, 92, 92]), "")

    def test_too_much_noise_tells_nothing(self):
        self.assertEqual(self.judged([90, 96, 84], [96, 84, 90], [94, 94, 94]), compare.UNKNOWN)

    def test_nothing_answered_is_no_figure(self):
        with self.assertRaises(Failed):
            self.judged([90, 0], [90, 90], [100, 100])


class Page(unittest.TestCase):
    def test_text_comes_between_its_marks_and_the_rest_stays(self):
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "page.md"
            page.write_text("before\n<!-- a -->\nold\n<!-- /a -->\nafter <!-- b --><!-- /b -->\n")
            report.replace(page, "a", "new\n")
            report.replace(page, "a", "newer\n")
            self.assertEqual(page.read_text(), "before\n<!-- a -->\n\nnewer\n\n<!-- /a -->\nafter <!-- b --><!-- /b -->\n")
            with self.assertRaises(Failed):
                report.replace(page, "c", "new")

    def test_numbers_stand_right(self):
        self.assertEqual(report.table(("a", "b", "c"), [("x", "1.5", "y"), ("z", "", "2")]), "| a | b | c |\n| --- | ---: | --- |\n| x | 1.5 | y |\n| z |  | 2 |\n")

    def test_pages_have_a_place_for_what_is_written(self):
        for file, mark in ((report.RESULTS, "speed"), (report.RESULTS, "million"), (report.RESULTS, "promises"), (report.README, "FIGURES")):
            page = file.read_text()
            self.assertEqual((page.count(f"<!-- {mark} -->"), page.count(f"<!-- /{mark} -->")), (1, 1), f"{file.name}: {mark}")


def found(p99=5.0, sizes=(1000, 2000)):
    """What a run could have found."""
    names = [*(query for query in report.FRONT if query != "login"), *aims.PAGING, "update", "health, beside comments"]
    names = list(dict.fromkeys(names))
    outcome = lambda growth: speed.Outcome(
        measures={name: Measure(1000.0, 1.0, p99 * growth, 0) for name in names},
        ceiling=1000.0, login=Measure(20.0, 1, 2, 0), beside=Measure(100.0, 1, 2, 0), alone_ms=40.0, memory=100.0, peak=120.0,
        first_open=0.1, later_open=0.2, crash_open=0.3,
    )
    times = dict.fromkeys(sizes, (1, 1))
    told = speed.Found(speed.Extent(list(sizes)), [("date", "today")], filled=times, moved=times, bare=2000.0, hash_ms=40.0)
    told.outcomes = {(store, size): outcome(size / 1000 * 1.25) for store in speed.STORES for size in sizes}
    told.raw = {"sled": 1500.0, "sled, without HTTP": 1200.0, "PostgreSQL, without HTTP": 1200.0, "pgbench": {10: 2500.0, 64: 1800.0}}
    return told


class Aims(unittest.TestCase):
    def judged(self, text, told):
        return next(row[1:] for row in aims.judged(told) if row[0].startswith(text))

    def test_of_openings_after_an_orderly_end_the_longer_one_is_judged(self):
        for first, later, verdict in ((0.1, 1.9, "yes"), (0.1, 2.1, "**no**"), (2.1, 0.1, "**no**"), (math.inf, 0.1, "**no**")):
            told = found()
            told.outcomes["sled", 2000].first_open, told.outcomes["sled", 2000].later_open = first, later
            self.assertEqual(self.judged("open with 2,000 tickets, clean", told)[1], verdict, (first, later))

    def test_each_store_is_judged_by_its_own_bound(self):
        told = found()
        told.outcomes["sled", 2000].measures["get"].rate = told.outcomes["PostgreSQL", 2000].measures["get"].rate = 300.0
        self.assertEqual(self.judged("get / ", told), ["0.30 (≥ 0.7)", "**no**", "0.30 (≥ 0.25)", "yes"])

    def test_growth_is_from_the_smallest_size_to_the_largest(self):
        self.assertEqual(self.judged("p99 at 2,000 / at 1,000: list, newest", found())[:2], ["2.00 (≤ 2)", "yes"])

    def test_what_was_not_measured_or_not_answered_is_not_reached(self):
        told = found()
        del told.outcomes["sled", 2000].measures["search, rare words"]
        told.outcomes["PostgreSQL", 2000].measures["get"].bad = 3
        self.assertEqual(self.judged("p99 of search, rare words", told)[:3], ["not measured", "**no**", "12.50 ms (≤ 20)"])
        self.assertEqual(self.judged("answers that are not 2xx", told), ["0.00 (≤ 0)", "yes", "3.00 (≤ 0)", "**no**"])
        self.assertEqual(report.speed(told).count("\n| search, rare words |"), 2, "what one store was asked is told")

    def test_creating_is_judged_by_the_better_of_pgbench(self):
        self.assertEqual(self.judged("create", found()), ["0.67 (≥ 0.5)", "yes", "0.40 (≥ 0.5)", "**no**"])

    def test_the_report_has_every_query_of_the_page(self):
        told = found()
        text, page = report.speed(told), (report.RESULTS.parent / "QUERIES.md").read_text()
        for name in told.outcomes["sled", 1000].measures:
            self.assertIn(f"\n| {name} |", text)
            self.assertIn(f"\n| {name.removesuffix(queries.beside_comments(''))} |", page)
        self.assertIn("With 2,000 tickets", report.front(told))

    def test_the_front_page_tells_which_aims_are_not_reached(self):
        aims = [["one", "1 (≥ 2)", "**no**", "3 (≥ 2)", "yes"], ["two", "5 (≤ 9)", "yes", "–", ""]]
        self.assertEqual(report.reached(aims), "- Embedded store: 1 of 2 aims are reached. Not: one: 1 (≥ 2).\n- PostgreSQL: all 1 aims are reached.\n")
        self.assertIn("aims are reached", report.front(found()))

    def test_a_run_that_is_broken_off_tells_what_it_has(self):
        told = found()
        del told.outcomes["PostgreSQL", 2000]
        text = report.speed(told)
        self.assertIn("### 1,000 tickets", text)
        self.assertNotIn("### 2,000 tickets", text)
        self.assertIn("With 1,000 tickets", report.front(told))

    def test_a_run_with_a_million_has_a_part_of_its_own(self):
        with tempfile.TemporaryDirectory() as folder:
            results, readme = Path(folder) / "results.md", Path(folder) / "readme.md"
            results.write_text("<!-- speed --><!-- /speed --><!-- million --><!-- /million -->")
            readme.write_text("<!-- FIGURES --><!-- /FIGURES -->")
            with mock.patch.multiple(report, RESULTS=results, README=readme):
                self.assertTrue(report.write(found()))
                broken = found()
                del broken.outcomes["sled", 2000]
                self.assertFalse(report.write(broken))
                self.assertIn("### 2,000 tickets", results.read_text(), "one size of two does not take their place")
                small, large = results.read_text().split("<!-- million -->")
                self.assertTrue("### 2,000 tickets" in small and "###" not in large and "With 2,000 tickets" in readme.read_text())
                report.write(found(sizes=(1000, 1_000_000)))
                large = results.read_text().removeprefix(small)
                self.assertTrue("### 1,000,000 tickets" in large and "With 1,000,000 tickets" in readme.read_text())


class Words(unittest.TestCase):
    def sample(self):
        sample = queries.Sample.__new__(queries.Sample)
        sample.draw = queries.random.Random(1)
        text = lambda number: f"common {'often ' if number % 5 == 0 else ''}{'rare seldom' if number == 7 else ''}"
        sample.tickets = [{"id": number, "title": text(number), "description": "Common words."} for number in range(200)]
        sample.shares = queries.shares([sample.words(ticket) for ticket in sample.tickets])
        sample.whole_texts = [ticket["title"] for ticket in sample.tickets]
        sample.whole_texts[9] += "\nSÉLDOM 0815"
        return sample

    def test_words_are_known_by_how_often_they_are(self):
        shares = dict(self.sample().shares)
        self.assertEqual((shares["common"], shares["often"], shares["rare"]), (1.0, 0.2, 0.005))

    def test_rare_and_frequent_words_are_told_apart(self):
        sample = self.sample()
        self.assertEqual(sorted(sorted(pair.split()) for pair in sample.rare_pairs()), [["0815", "seldom"], ["rare", "seldom"]])
        self.assertIn("common often", sample.frequent_pairs())
        self.assertNotIn("rare", " ".join(sample.frequent_pairs()))

    def test_the_second_word_comes_half_as_often_as_the_first(self):
        drawn = self.sample().zipf(6000)
        first, second = (drawn.count(word) for word, _ in self.sample().shares[:2])
        self.assertAlmostEqual(first / second, 2, delta=0.3)
