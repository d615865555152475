"""How kana and Latin letters sound: morae as OpenJTalk's phones, and letters by their names."""

LONG_VOWEL = "ー"

_PHONES = """
ヴョ by o|ヴュ by u|ヴャ by a|ヴォ v o|ヴェ v e|ヴィ v i|ヴァ v a|ヴ v u|ン N|ヲ o|ヱ e|ヰ i|ワ w a
ヮ w a|ロ r o|レ r e|ル r u|リョ ry o|リュ ry u|リャ ry a|リェ ry e|リ r i|ラ r a|ヨ y o|ョ y o|ユ y u
ュ y u|ヤ y a|ャ y a|モ m o|メ m e|ム m u|ミョ my o|ミュ my u|ミャ my a|ミェ my e|ミ m i|マ m a|ポ p o
ボ b o|ホ h o|ペ p e|ベ b e|ヘ h e|プ p u|ブ b u|フォ f o|フェ f e|フィ f i|ファ f a|フ f u|ピョ py o
ピュ py u|ピャ py a|ピェ py e|ピ p i|ビョ by o|ビュ by u|ビャ by a|ビェ by e|ビ b i|ヒョ hy o|ヒュ hy u
ヒャ hy a|ヒェ hy e|ヒ h i|パ p a|バ b a|ハ h a|ノ n o|ネ n e|ヌ n u|ニョ ny o|ニュ ny u|ニャ ny a
ニェ ny e|ニ n i|ナ n a|ドゥ d u|ド d o|トゥ t u|ト t o|デョ dy o|デュ dy u|デャ dy a|ディ d i|デ d e
テョ ty o|テュ ty u|テャ ty a|ティ t i|テ t e|ヅ z u|ツォ ts o|ツェ ts e|ツィ ts i|ツァ ts a|ツ ts u
ッ cl|ヂ j i|チョ ch o|チュ ch u|チャ ch a|チェ ch e|チ ch i|ダ d a|タ t a|ゾ z o|ソ s o|ゼ z e|セ s e
ズィ z i|ズ z u|スィ s i|ス s u|ジョ j o|ジュ j u|ジャ j a|ジェ j e|ジ j i|ショ sh o|シュ sh u|シャ sh a
シェ sh e|シ sh i|ザ z a|サ s a|ゴ g o|コ k o|ゲ g e|ケ k e|ヶ k e|グヮ gw a|グ g u|クヮ kw a|ク k u
ギョ gy o|ギュ gy u|ギャ gy a|ギェ gy e|ギ g i|キョ ky o|キュ ky u|キャ ky a|キェ ky e|キ k i|ガ g a
カ k a|オ o|ォ o|エ e|ェ e|ウォ w o|ウェ w e|ウィ w i|ウ u|ゥ u|イェ y e|イ i|ィ i|ア a|ァ a
"""
MORA_PHONES: dict[str, tuple[str, ...]] = {
    row.split()[0]: tuple(row.split()[1:]) for row in _PHONES.strip().replace("\n", "|").split("|")
}
"""Phones of each mora in katakana; morae have one or two characters."""

_LETTER_NAMES = (
    "エー ビー シー ディー イー エフ ジー エイチ アイ ジェー ケー エル エム エヌ オー ピー キュー アール エス ティー "
    "ユー ブイ ダブリュー エックス ワイ ゼット"
)
_NOT_SPELT = {"ヮ", "ヶ", "グヮ", "クヮ"}  # OpenJTalk does not read these in words that it does not know


def _spellings() -> dict[str, tuple[str, int]]:
    table = {mora: (mora, 1) for mora in MORA_PHONES if mora not in _NOT_SPELT}
    table |= {"".join(chr(ord(c) - 0x60) for c in mora): (mora, 1) for mora in table}
    table[LONG_VOWEL] = (LONG_VOWEL, 1)
    for index, name in enumerate(_LETTER_NAMES.split()):
        small = sum(character in "ャュョェィ" for character in name)
        table[chr(ord("ａ") + index)] = table[chr(ord("Ａ") + index)] = (name, len(name) - small)
    return table


SPELLINGS = _spellings()
"""Kana (hiragana too) and full-width letters: how each is read, in katakana, and its length in morae."""


def spell(text: str) -> tuple[str, int]:
    """Reads the kana and full-width letters of a text one by one: katakana, and the number of morae."""
    reading, morae, place = "", 0, 0
    while place < len(text):
        for length in (2, 1):
            if spelt := SPELLINGS.get(text[place : place + length]):
                reading += spelt[0]
                morae += spelt[1]
                place += length
                break
        else:
            place += 1
    return reading, morae
