"""The texts of the all-MiniLM-L6-v2 goldens. All written for this project."""

import unicodedata

PASSAGE = """Bees find their way home by reading the sky. On a clear day they take the angle of
the sun, and when clouds hide it they read the pattern of light that the blue patches still show.
They also count: a worker that flies through a long tunnel keeps track of how fast the walls pass,
and so knows how far she went. Back in the hive she walks a figure of eight on the comb and shakes
her body in the middle part. The direction of that run gives the direction of the food, and the
length of the run gives the distance. Other workers follow her in the dark, touch her with their
antennae, and fly out to the same field. When the food is poor, few follow; when it is rich, many
do, and in an hour a whole field can be full of bees. No single bee decides this. Each one only
compares what she found with what she remembers, and the colony, as a whole, chooses well.
""".replace("\n", " ")

# Each is one wordpiece of the BERT uncased vocabulary (asserted below), so a text of n of them
# has exactly n + 2 tokens.
WORDS = """the bees find their way home and read the light of the sky when clouds hide the sun each
worker counts the walls that pass then walks a figure on the comb other workers follow her in the
dark and fly to the same field far from here""".split()


def words(count):
    return " ".join(WORDS[i % len(WORDS)] for i in range(count))


def passage(chars):
    return (PASSAGE * (chars // len(PASSAGE) + 1))[:chars]


NFC = "Caf\u00e9 cr\u00e8me br\u00fbl\u00e9e \u00e0 la carte, Stra\u00dfe, \u00c5ngstr\u00f6m"

TEXTS = [
    # length
    ("empty", ""),
    ("one_token", "bee"),
    ("one_letter", "a"),
    ("two_tokens", "honey bee"),
    ("tokens_7_total", words(5)),
    ("tokens_8_total", words(6)),
    ("tokens_9_total", words(7)),
    ("tokens_31_total", words(29)),
    ("tokens_32_total", words(30)),
    ("tokens_33_total", words(31)),
    ("tokens_64_total", words(62)),
    ("tokens_65_total", words(63)),
    ("tokens_128_total", words(126)),
    ("tokens_129_total", words(127)),
    ("tokens_255_total", words(253)),
    ("at_own_limit_256", words(254)),
    ("past_own_limit_257", words(255)),
    ("tokens_400_cut_to_own_limit", words(398)),
    ("tokens_400_max_length_512", words(398), 512),
    ("at_model_limit_512", words(510), 512),
    ("past_model_limit_513", words(511), 512),
    ("max_length_16", words(40), 16),
    ("chars_10000", passage(10_000)),
    ("chars_10000_max_length_512", passage(10_000), 512),
    ("passage", PASSAGE),
    # English as people write it
    ("question", "How do bees navigate?"),
    ("statement", "A bee flew over the meadow and came back with pollen."),
    ("unrelated", "The central bank raised interest rates by a quarter of a percent."),
    ("two_sentences", "It was raining. Nobody had brought an umbrella!"),
    ("quoted", "\u201cWell,\u201d she said \u2014 not unkindly \u2014 \u2018you\u2019re late\u2026\u2019"),
    ("contraction", "They're sure it's what we'd've done, isn't it?"),
    ("shouting", "STOP READING THIS NOW"),
    ("mixed_case", "eBay's iPhone and McDonald's WiFi in NYC"),
    ("rare_words", "Antidisestablishmentarianism and floccinaucinihilipilification"),
    ("typo", "teh quikc brwon foxx jmups ovre teh laxy dgo"),
    # numbers, code, addresses
    ("numbers", "3.14159 1,000,000 -42 1e-12 0xFF 50% $19.99 \u20ac5 \u00bd \u2460 \u00b2"),
    ("date", "2025-01-31T23:59:60Z, 31/01/2025, 5:30pm"),
    ("url", "https://example.com/a/b?q=bees&lang=en#top"),
    ("email", "Write to jane.doe+bees@example.co.uk today"),
    ("code", "fn main() {\n\tlet x: Vec<u8> = vec![0; 16]; // zeroed\n\tprintln!(\"{x:?}\");\n}"),
    ("json", "{\"id\": 7, \"tags\": [\"a\", \"b\"], \"ok\": true, \"none\": null}"),
    ("markdown", "# Bees\n\n* **dance** in `hive`\n* see [here](x.md)\n\n> end"),
    ("html", "<p class=\"lead\">5 &lt; 6 &amp; 7</p><br/>"),
    # special tokens written out
    ("special_tokens", "[CLS] the [MASK] of bees [SEP] and [PAD] or [UNK]"),
    ("special_tokens_glued", "a[MASK]b [mask] [CLS][SEP]"),
    ("special_tokens_broken", "[ MASK ] [CLS ##s [SEP"),
    ("wordpiece_marks", "##ing ## #hash un##able"),
    # whitespace, punctuation, control characters
    ("space", " "),
    ("whitespace_only", " \t\n\r\u00a0\u2003\u3000 "),
    ("whitespace_around", "  \n bees   and\t\thoney\r\n "),
    ("unusual_spaces", "a\u00a0b\u2003c\u2028d\u2029e\u3000f\u1680g\u205fh"),
    ("punctuation_only", "...!?,;:--()[]{}<>/\\|@#$%^&*~`'\""),
    ("unicode_punctuation", "\u00a1\u00bf\u00ab\u00bb\u2026\u2014\u3001\u3002\uff01\u066a\u2018\u2019\u00b6\u00a7"),
    ("ascii_symbols_split", "a+b=c a^b a`b a~b a|b a$b"),
    ("control", "a\u0000b\u0001c\u0007d\u001be\u007ff\u0080g\u0085h\u009fi\ufffdj"),
    ("control_only", "\u0000\ufffd\u0085\u0001"),
    ("zero_width", "ho\u200bney\u200c be\u200des \ufeffbom \u2060join so\u00adft"),
    ("bidi_controls", "a\u202eb\u202cc \u2066d\u2069"),
    ("private_use_unassigned", "x\ue000y \u0378z \U000f0000 \U0010fffd \ufdd0"),
    # words too long
    ("word_of_100", "a" * 100),
    ("word_of_101", "a" * 101),
    ("cyrillic_word_of_100", "\u044f" * 100),
    ("cyrillic_word_of_101", "\u044f" * 101),
    ("long_word_inside", "before " + "honey" * 40 + " after"),
    # accents and normal forms
    ("accents_nfc", NFC),
    ("accents_nfd", unicodedata.normalize("NFD", NFC)),
    ("combining_stack", "z\u0335\u0321\u0353a\u0300\u0301\u0302lgo \u0301 alone"),
    ("case_folding", "\u0130stanbul I\u0131 \u03a3\u039f\u03a6\u039f\u03a3 \u1e9e \u01c4 \ufb01ne \u2167"),
    ("vietnamese", "Ti\u1ebfng Vi\u1ec7t r\u1ea5t \u0111\u1eb9p"),
    ("fullwidth", "\uff28\uff45\uff4c\uff4c\uff4f \uff11\uff12\uff13"),
    # scripts
    ("chinese", "\u871c\u8702\u5982\u4f55\u627e\u5230\u56de\u5bb6\u7684\u8def\uff1f\u5b83\u4eec\u770b\u592a\u9633\u3002"),
    ("chinese_with_latin", "\u6211\u7528GPU\u8bad\u7ec3model2\u6b21"),
    ("cjk_extension", "\U00020000\U0002a6d6 \u3400 \uf900 \u2f00"),
    ("japanese", "\u6771\u4eac\u306e\u30df\u30c4\u30d0\u30c1\u306f\u7a7a\u3092\u8aad\u3080\u3002\u304c\u304e\u3050 \uff76\uff9e"),
    ("korean", "\uafc0\ubc8c\uc740 \ud0dc\uc591\uc744 \ubcf4\uace0 \uae38\uc744 \ucc3e\ub294\ub2e4"),
    ("korean_nfd", unicodedata.normalize("NFD", "\ud55c\uad6d\uc5b4")),
    ("arabic", "\u0643\u064a\u0641 \u064a\u062c\u062f \u0627\u0644\u0646\u064e\u0651\u062d\u0652\u0644 \u0637\u0631\u064a\u0642\u0647\u061f"),
    ("hebrew", "\u05d3\u05b0\u05bc\u05d1\u05d5\u05b9\u05e8\u05b4\u05d9\u05dd \u05d1\u05e9\u05d3\u05d4"),
    ("hindi", "\u092e\u0927\u0941\u092e\u0915\u094d\u0916\u0940 \u0930\u093e\u0938\u094d\u0924\u093e"),
    ("thai", "\u0e1c\u0e36\u0e49\u0e07\u0e01\u0e25\u0e31\u0e1a\u0e1a\u0e49\u0e32\u0e19"),
    ("russian", "\u041f\u0447\u0451\u043b\u044b \u043b\u0435\u0442\u044f\u0442 \u0434\u043e\u043c\u043e\u0439"),
    ("greek", "\u039f\u03b9 \u03bc\u03ad\u03bb\u03b9\u03c3\u03c3\u03b5\u03c2 \u03c0\u03b5\u03c4\u03bf\u03cd\u03bd"),
    ("mixed_scripts", "bees \u871c\u8702 \u043f\u0447\u0451\u043b\u044b \u0646\u062d\u0644 \U0001f41d"),
    # emoji
    ("emoji", "\U0001f41d\U0001f36f \u2764\ufe0f I \U0001f49b bees"),
    ("emoji_zwj", "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 family \U0001f9d1\U0001f3fd\u200d\U0001f680"),
    ("emoji_flags_keycaps", "\U0001f1ef\U0001f1f5\U0001f1eb\U0001f1f7 7\ufe0f\u20e3 \U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"),
    ("math_letters", "\U0001d400\U0001d4ea \u2211\u221e\u2260\u2264 x\u2081\u00b2"),
]

# Texts for which every pooling of sentence-transformers' Pooling module is stored.
POOLED_ALL_WAYS = ["empty", "one_token", "question", "accents_nfc", "at_own_limit_256"]


def cases(tokenizer):
    for word in WORDS:
        assert len(tokenizer.tokenize(word)) == 1, word
    return [
        {"name": name, "text": text, **({"max_length": rest[0]} if rest else {})}
        for name, text, *rest in TEXTS
    ]
