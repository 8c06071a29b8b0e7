"""Sums, comparisons, sequences and the calendar: what is learned by repeating, in changing words. The only texts that are
made by rule; every other dialogue was written one by one."""

import itertools

NUMBERS = ('zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen '
           'eighteen nineteen twenty').split()
DAYS = 'Monday Tuesday Wednesday Thursday Friday Saturday Sunday'.split()
MONTHS = 'January February March April May June July August September October November December'.split()
PLACES = 'first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth'.split()
LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'
NAMES = 'Anna Ben Clara David Emma Finn Grace Hugo Ida Jonas Kate Leo Mia Noah Olga Paul Rosa Sam Tess Will'.split()
THINGS = 'apples books coins pencils cookies stickers marbles eggs cards balls shells stamps buttons plums'.split()


def turns(question, answer):
    return [{'role': 'user', 'content': question}, {'role': 'assistant', 'content': answer}]


def sums(rng):
    for a, b in itertools.product(range(21), range(21)):
        if a + b <= 20:
            yield turns(
                rng.choice(['What is {a} plus {b}?', '{a} + {b}', '{a}+{b}?', 'how much is {a} and {b}', 'Add {a} and {b}.',
                            '{a} plus {b} makes?', 'what do you get if you add {b} to {a}']).format(a=a, b=b),
                rng.choice(['{c}.', '{a} plus {b} is {c}.', '{a} and {b} make {c}.', 'That is {c}.']).format(a=a, b=b, c=a + b))
        if a >= b:
            yield turns(
                rng.choice(['What is {a} minus {b}?', '{a} - {b}', '{a}-{b}?', '{a} minus {b}?', 'take {b} away from {a}',
                            'How much is {a} less {b}?', 'what is left of {a} if you take away {b}']).format(a=a, b=b),
                rng.choice(['{c}.', '{a} minus {b} is {c}.', 'That leaves {c}.', '{c} is left.']).format(a=a, b=b, c=a - b))
    for a, b in itertools.product(range(1, 11), range(1, 11)):
        yield turns(
            rng.choice(['What is {a} times {b}?', '{a} x {b}', '{a} * {b}?', 'how much is {a} times {b}',
                        'multiply {a} by {b}']).format(a=a, b=b),
            rng.choice(['{c}.', '{a} times {b} is {c}.', 'That is {c}.']).format(a=a, b=b, c=a * b))
    for a in range(2, 41, 2):
        yield turns(rng.choice(['What is half of {a}?', 'half of {a}', 'halve {a}', 'split {a} in two equal parts']).format(a=a),
                    rng.choice(['{c}.', 'Half of {a} is {c}.']).format(a=a, c=a // 2))
    for a in range(1, 21):
        yield turns(rng.choice(['What is double {a}?', 'double {a}', 'two times {a}?', 'twice {a}']).format(a=a),
                    rng.choice(['{c}.', 'Double {a} is {c}.', 'Twice {a} is {c}.']).format(a=a, c=2 * a))


def stories(rng):
    for _ in range(260):
        a, b = rng.randint(2, 10), rng.randint(1, 9)
        name, other = rng.sample(NAMES, 2)
        thing = rng.choice(THINGS)
        say = rng.choice([str, lambda n: NUMBERS[n]])
        if rng.random() < 0.5:
            yield turns(
                rng.choice(['{n} has {a} {t} and gets {b} more. How many are there now?',
                            '{n} finds {a} {t} and {o} finds {b}. How many together?',
                            'there are {a} {t} on the table. i put {b} more there. how many now',
                            'I had {a} {t}. {o} gave me {b} more. How many do I have?']).format(
                                n=name, o=other, a=say(a), b=say(b), t=thing),
                rng.choice(['{c}.', '{c} {t}.', '{A} plus {b} is {c}.', 'There are {c} {t} now.']).format(
                    A=say(a).capitalize(), b=say(b), c=a + b, t=thing))
        elif a > b:
            yield turns(
                rng.choice(['{n} has {a} {t} and gives {b} to {o}. How many are left?',
                            'i have {a} {t} and lose {b}. how many do i have left',
                            'There are {a} {t} in a box. {n} takes out {b}. How many stay in the box?']).format(
                                n=name, o=other, a=say(a), b=say(b), t=thing),
                rng.choice(['{c}.', '{A} minus {b} is {c}.', '{c} left.']).format(A=say(a).capitalize(), b=say(b), c=a - b))
    for _ in range(60):
        people, each = rng.randint(2, 5), rng.randint(1, 6)
        yield turns(
            rng.choice(['{n} shares {a} {t} fairly among {p} friends. How many does each one get?',
                        '{p} children share {a} {t}. how many for each', '{a} {t} in {p} equal piles: how many in a pile?']).format(
                            n=rng.choice(NAMES), a=people * each, p=NUMBERS[people], t=rng.choice(THINGS)),
            rng.choice(['{c}.', '{c} each.', 'Each gets {c}.']).format(c=each))
        count, price = rng.randint(2, 6), rng.randint(2, 5)
        yield turns(
            rng.choice(['One ticket costs {p} dollars. What do {a} tickets cost?', 'a pen is {p} dollars. how much for {a} pens',
                        '{A} buns at {p} dollars each: how much?']).format(
                            p=price, a=NUMBERS[count], A=NUMBERS[count].capitalize()),
            rng.choice(['{c} dollars.', 'That makes {c} dollars.', '{c}.']).format(c=count * price))
        have, cost = rng.randint(5, 20), rng.randint(1, 5)
        yield turns(
            rng.choice(['{n} has {a} dollars and pays {b} for a ball. How much is left?', 'i pay a {b} dollar toy from {a} dollars. what do i get back',
                        'You had {a} dollars and spent {b}. What is left?']).format(n=rng.choice(NAMES), a=have, b=cost),
            rng.choice(['{c} dollars.', '{c} dollars are left.', '{c}.']).format(c=have - cost))
        age, years, older = rng.randint(8, 20), rng.randint(2, 4), rng.random() < 0.5
        name, other = rng.sample(NAMES, 2)
        yield turns(
            rng.choice(['{n} is {a}. {o} is {y} years {w}. How old is {o}?', '{n} is {a} years old and {o} is {y} years {w}. {o}s age?']).format(
                n=name, o=other, a=age, y=NUMBERS[years], w='older' if older else 'younger'),
            rng.choice(['{c}.', '{o} is {c}.']).format(o=other, c=age + years * (1 if older else -1)))
    for animal, legs in (('dog', 4), ('horse', 4), ('hen', 2), ('spider', 8), ('bee', 6), ('cow', 4), ('child', 2), ('duck', 2)):
        for count in range(1, 6):
            many = animal if count == 1 else {'child': 'children'}.get(animal, animal + 's')
            yield turns(
                rng.choice(['How many legs do {n} {m} have?', 'legs of {n} {m}?', 'count the legs of {n} {m}']).format(n=NUMBERS[count], m=many),
                rng.choice(['{c}.', '{c} legs.', '{N} {m}: {c} legs.']).format(N=NUMBERS[count].capitalize(), m=many, c=legs * count))


def order(rng):
    for a, b in itertools.combinations(range(1, 101, 3), 2):
        if rng.random() < 0.3:
            first, second = rng.sample([a, b], 2)
            big = rng.random() < 0.5
            word = rng.choice(['bigger', 'larger', 'more'] if big else ['smaller', 'less'])
            yield turns(rng.choice(['Which is {w}, {x} or {y}?', 'what is {w}: {x} or {y}', '{x} or {y}, which is {w}?']).format(
                w=word, x=first, y=second), rng.choice(['{c}.', '{c} is {w}.']).format(c=b if big else a, w=word))
    for start, step in itertools.product(range(1, 13), (1, 2, 3, 5, 10, -1)):
        row = [start + i * step for i in range(4)] if step > 0 else [start + 12 - i for i in range(4)]
        following = row[-1] + step
        yield turns(rng.choice(['What comes next: {r}?', 'which number comes next: {r}, ...', 'continue: {r}', 'Go on: {r}']).format(
            r=', '.join(map(str, row))), rng.choice(['{c}.', '{c} comes next.', 'Next is {c}.']).format(c=following))
    for n in range(1, 100):
        yield turns(rng.choice(['Which number comes after {n}?', 'what comes right after {n}', 'one more than {n}?', '{n} and one more?']).format(n=n),
                    rng.choice(['{c}.', 'After {n} comes {c}.']).format(n=n, c=n + 1))
        yield turns(rng.choice(['Which number comes before {n}?', 'what comes just before {n}', 'one less than {n}?']).format(n=n),
                    rng.choice(['{c}.', 'Before {n} comes {c}.']).format(n=n, c=n - 1))
        if n % 2:
            yield turns(rng.choice(['Which number is between {a} and {b}?', 'what is between {a} and {b}', 'the number between {a} and {b}?']).format(
                a=n, b=n + 2), rng.choice(['{c}.', '{c} is between {a} and {b}.']).format(a=n, b=n + 2, c=n + 1))
    for n in range(4, 31):
        yield turns(rng.choice(['Count down: {a}, {b}, {c} ...', 'Backwards: {a}, {b}, {c}, and then?', 'what follows {a}, {b}, {c}']).format(
            a=n, b=n - 1, c=n - 2), rng.choice(['{d}.', 'Then comes {d}.']).format(d=n - 3))
    for i, place in enumerate(PLACES[1:8], 1):
        ahead = rng.random() < 0.5
        yield turns(
            rng.choice(['{n} runs just {w} the {p} runner. Which place is {n} in?', '{n} stands right {w} the {p} in the queue. which place is that']).format(
                n=rng.choice(NAMES), w='before' if ahead else 'behind', p=place),
            rng.choice(['The {q} place.', '{Q}.']).format(q=(found := PLACES[i - 1 if ahead else i + 1]), Q=found.capitalize()))
    for n in range(1, 31):
        yield turns(rng.choice(['Is {n} even or odd?', '{n}: odd or even?', 'is {n} an even number or an odd one']).format(n=n),
                    rng.choice(['{n} is {k}.', '{K}.']).format(n=n, k=('even', 'odd')[n % 2], K=('Even', 'Odd')[n % 2]))
    for i, letter in enumerate(LETTERS[:-1]):
        following = LETTERS[i + 1]
        yield turns(rng.choice(['Which letter comes after {a}?', 'letter after {a}?', 'what comes after {a} in the alphabet']).format(a=letter),
                    rng.choice(['{b}.', 'After {a} comes {b}.']).format(a=letter, b=following))
        yield turns(rng.choice(['Which letter comes before {b}?', 'what letter is before {b}']).format(b=following),
                    rng.choice(['{a}.', '{a} comes before {b}.']).format(a=letter, b=following))


def calendar(rng):
    for row, kind in ((DAYS, 'day'), (MONTHS, 'month')):
        for i, name in enumerate(row):
            for away in (1, 2, 3):
                later, earlier = row[(i + away) % len(row)], row[i - away]
                count = NUMBERS[away]
                one = away == 1
                s = kind if one else f'{count} {kind}s'
                yield turns(rng.choice([f'What {kind} comes after {name}?', f'which {kind} is after {name}', f'the {kind} after {name}?']
                                       if one else [f'Which {kind} is {s} after {name}?', f'what {kind} is it {s} after {name}',
                                                    f'{count.capitalize()} {kind}s after {name} it is ...?']),
                            rng.choice([f'{later}.', f'{later} comes after {name}.' if one else f'{s.capitalize()} after {name} is {later}.']))
                yield turns(rng.choice([f'What {kind} comes before {name}?', f'the {kind} before {name}?', f'which {kind} is just before {name}']
                                       if one else [f'Which {kind} is {s} before {name}?', f'{s} before {name} is which {kind}']),
                            rng.choice([f'{earlier}.', f'{earlier} comes before {name}.' if one else f'{s.capitalize()} before {name} is {earlier}.']))
    for i, today in enumerate(DAYS):
        tomorrow, yesterday = DAYS[(i + 1) % 7], DAYS[i - 1]
        yield turns(rng.choice([f'Today is {today}. What day is tomorrow?', f"if it's {today} today, what is tomorrow"]), f'{tomorrow}.')
        yield turns(rng.choice([f'Today is {today}. What day was yesterday?', f'its {today}, so yesterday was?']), f'{yesterday}.')
        yield turns(rng.choice([f'Yesterday was {today}. What day is today?', f'if yesterday was {today}, what is today']), f'{tomorrow}.')
        yield turns(rng.choice([f'Tomorrow is {today}. What day is it today?', f'tomorrow will be {today}, so what is today']), f'{yesterday}.')
    for i, month in enumerate(MONTHS):
        yield turns(rng.choice([f'What is the {PLACES[i]} month of the year?', f'which month is the {PLACES[i]}']),
                    rng.choice([f'{month}.', f'The {PLACES[i]} month is {month}.']))
        yield turns(rng.choice([f'Which number is {month} among the months?', f'what number month is {month}']),
                    f'{month} is the {PLACES[i]} month.')
    for hour in range(1, 13):
        for plus in (1, 2, 3):
            later = (hour + plus - 1) % 12 + 1
            yield turns(rng.choice([f"It is {hour} o'clock. What time is it in {NUMBERS[plus]} hour{'s' * (plus > 1)}?",
                                    f"{NUMBERS[plus]} hour{'s' * (plus > 1)} after {hour} o'clock?"]),
                        rng.choice([f"It will be {later} o'clock.", f"{later} o'clock."]))


UNITS = [('week', 'days', 7), ('year', 'months', 12), ('day', 'hours', 24), ('hour', 'minutes', 60), ('minute', 'seconds', 60),
         ('year', 'weeks', 52), ('meter', 'centimeters', 100), ('kilometer', 'meters', 1000), ('dozen', 'pieces', 12), ('pair', 'pieces', 2),
         ('century', 'years', 100), ('decade', 'years', 10), ('dollar', 'cents', 100), ('kilogram', 'grams', 1000)]
SIDES = [('triangle', 3), ('square', 4), ('rectangle', 4), ('pentagon', 5), ('hexagon', 6)]
SEASONS = 'spring summer autumn winter'.split()
DIRECTIONS = 'north east south west'.split()


def units(rng):
    for _ in range(3):
        for whole, part, count in UNITS:
            article = 'an' if whole == 'hour' else 'a'
            yield turns(rng.choice([f'How many {part} does {article} {whole} have?', f'how many {part} in {article} {whole}',
                                    f'{article} {whole} has how many {part}?', f'Tell me the number of {part} in one {whole}.']),
                        rng.choice([f'{count}.', f'{article.capitalize()} {whole} has {count} {part}.', f'{count} {part}.']))
            many = rng.randint(2, 4)
            yield turns(rng.choice([f'How many {part} are {NUMBERS[many]} {whole}s?', f'{many} {whole}s have how many {part}',
                                    f'{NUMBERS[many]} {whole}s in {part}?']).replace('centurys', 'centuries'),
                        rng.choice([f'{many * count}.', f'{many * count} {part}.']))
            if count % 2 == 0 and whole not in ('pair', 'year'):
                yield turns(rng.choice([f'How many {part} has half {article} {whole}?', f'half {article} {whole} in {part}']),
                            rng.choice([f'{count // 2}.', f'{count // 2} {part}.']))
        for shape, count in SIDES:
            yield turns(rng.choice([f'How many {rng.choice(["sides", "corners"])} has a {shape}?', f'corners of a {shape}', f'a {shape} has how many sides']),
                        rng.choice([f'{count}.', f'{NUMBERS[count].capitalize()}.', f'A {shape} has {NUMBERS[count]}.']))
        for i, season in enumerate(SEASONS):
            after, before = SEASONS[(i + 1) % 4], SEASONS[i - 1]
            yield turns(rng.choice([f'What season follows {season}?', f'after {season} comes?', f'the season after {season}']),
                        rng.choice([f'{after.capitalize()}.', f'{after.capitalize()} follows {season}.']))
            yield turns(rng.choice([f'Which season is before {season}?', f'what season ends when {season} begins']),
                        rng.choice([f'{before.capitalize()}.', f'{before.capitalize()} comes before {season}.']))
        for i, way in enumerate(DIRECTIONS):
            yield turns(rng.choice([f'You face {way}. What is behind you?', f'the opposite of {way}?', f'if i turn my back to {way}, where do i look']),
                        rng.choice([f'{DIRECTIONS[i - 2].capitalize()}.', f'{DIRECTIONS[i - 2].capitalize()} is opposite {way}.']))


def drills(rng):
    """Every drill once, each in one of its wordings."""
    return [*sums(rng), *stories(rng), *order(rng), *calendar(rng), *units(rng)]
