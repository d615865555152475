"""Tables for numbers in Japanese: how digits and counters change each other's sound.

From OpenJTalk's njd_set_digit (Nagoya Institute of Technology, BSD-3-Clause; see data/LICENCES.md).
"""

from typing import NamedTuple


class Said(NamedTuple):
    """A way of saying a number: in katakana, mora after which the pitch falls, and length in morae."""

    sound: str
    accent: int
    morae: int


class Reading(NamedTuple):
    """A word that replaces a number and its counter, such as ひとり for 一人."""

    surface: str
    reading: str
    said: Said


DIGITS: dict[str, tuple[int, str]] = {
    surface: (value, "〇一二三四五六七八九"[value])
    for value, surfaces in enumerate(
        (
            "〇 零 ０",
            "１ 一 いち 壱",
            "２ 二 に 弐 貳 ニ",
            "３ 三 さん 参",
            "４ 四 よん し",
            "５ 五 ご",
            "６ 六 ろく",
            "７ 七 なな しち",
            "８ 八 はち",
            "９ 九 きゅう く",
        )
    )
    for surface in surfaces.split()
}
"""Digits as they are written: value, and the form under which the rules know them."""

FIGURES = frozenset("０１２３４５６７８９")

TENS = (
    Reading("十", "ジュウ", Said("ジュー", 1, 2)),
    Reading("百", "ヒャク", Said("ヒャク", 2, 2)),
    Reading("千", "セン", Said("セン", 1, 2)),
)
"""Units within four digits, from the second digit up."""

COUNTING = frozenset("一二三四五六七八九何幾数")
UNITS = frozenset("十百千万億兆京垓")


def _said(rows: str) -> dict[str, Said]:
    return {
        row[0]: Said(row[1], int(row[2]), int(row[3])) for row in (line.split() for line in rows.split("/"))
    }


DIGIT_CHANGES: tuple[tuple[frozenset[str], dict[str, Said]], ...] = tuple(
    (frozenset(counters.split()), _said(changes))
    for counters, changes in (
        ("年 円 年間 年生 年代 年度 年版 年余 年来 えん", "四 ヨ 0 1"),
        ("人 人月 人前 人組", "四 ヨ 0 1/七 シチ 1 2"),
        ("時 時間 時限 時半", "四 ヨ 0 1/七 シチ 1 2/九 ク 0 1"),
        ("日 日間", "七 シチ 1 2/九 ク 0 1"),
        ("月", "四 シ 0 1/七 シチ 1 2/九 ク 0 1"),
        (
            "個 階 分 発 本 鉢 口 切れ 箱 か月 か国 か所 か条 か村 か年 カ月 カ国 カ寺 カ所 カ条 カ村 "
            "カ店 カ年 ケ月 ケ国 ケ所 ケ条 ケ村 ケ年 ヵ月 ヵ国 ヵ所 ヵ条 ヵ村 ヵ年 ヶ月 ヶ国 ヶ所 ヶ条 "
            "ヶ村 ヶ年 個月 個口 個国 個条 個年 箇月 箇国 箇所 箇条 箇年 かけ くだり けた 価 課 画 回 "
            "回忌 回生 回戦 回線 回分 海里 カイリ 浬 角 株 冠 巻 缶 貫 貫目 間 基 期 期生 機 気圧 季 騎 "
            "客 脚 球 級 橋 局 曲 極 重ね 斤 金 句 区 躯 計 桁 ケタ 校 港 項 組 件 軒 言 戸 湖 光年 石 "
            "ぴき ぺん 波 派 敗 杯 拍 泊 版 犯 班 匹 疋 筆 俵 票 品 分間 分目 片 篇 編 辺 遍 歩 報 方 法 "
            "本立て 頭身",
            "一 イッ 1 2/六 ロッ 1 2/八 ハッ 1 2/十 ジュッ 1 2/百 ヒャッ 1 2",
        ),
        (
            "点 才 頭 着 足 尺 坪 通り センチ シーシー ＣＣ ｃｃ ｃｍ サイクル サンチーム シーズン "
            "シート シリング シンガポールドル スイスフラン スウェーデンクローネ スクレ セット セント "
            "ソル ゾーン 糎 竿 差 差し 歳 歳児 作 冊 刷 皿 棹 艘 子 視 式 失 室 射 社 勺 種 首 周 周忌 "
            "周年 州 週 週間 集 宿 所 勝 升 床 章 色 食 親等 進 進数 品 すじ そう そろい 筋 数 寸 世 隻 "
            "席 石 節 戦 線 選 銭 層 相 揃 たび つかみ つがい つぶ つまみ つ折 つ折り とおり とき ところ "
            "とせ 玉 月 手 束 続き 体 対 卓 樽 反 丁 丁目 鳥 通 掴み 艇 滴 店 転 点 斗 棟 盗 灯 等 等席 "
            "等地 等分 答 得 噸 粒 種類 歳馬 世紀 車種",
            "一 イッ 1 2/八 ハッ 1 2/十 ジュッ 1 2",
        ),
        (
            "キロ カロリー ｃａｌ ｋｂ ｋｇ ｋｌ ｋｍ ｋｔ ｋｗ ｋグラム ｋバイト ｋヘルツ ｋメートル "
            "ｋリットル ｋワット カナダドル カラット ガロン キュリー キロカロリー キログラム キロトン "
            "キロバイト キロヘルツ キロメートル キロリットル キロワット キロワット時 クラス クローナ "
            "クローネ グァラニ ケース コース 粁",
            "六 ロッ 1 2/十 ジュッ 1 2/百 ヒャッ 1 2",
        ),
        ("トン ｔ タル テラ トライ", "一 イッ 1 2/十 ジュッ 1 2"),
        (
            "房 柱 ％ ポンド ｐａ ｐｐｍ パーセント パーミル パスカル パック パット ピーピーエム ピコ "
            "ページ 頁 ペア ペセタ ペソ ペニー ペニヒ ペンス ポイント 振り 針 袋 張り 品目",
            "十 ジュッ 1 2",
        ),
    )
)
"""Which digits change before which counters; the first row that has the counter counts."""

BEFORE_HUNDRED = _said("六 ロッ 0 2/八 ハッ 0 2")
BEFORE_THOUSAND = _said("一 イッ 0 2/八 ハッ 0 2/十 ジュッ 1 2")
APPROXIMATE = _said("四 シ 0 1/七 シチ 0 2")
NATIVE_DIGITS = _said("一 ヒト 0 2/二 フタ 0 2")

VOICED = dict(
    zip("カキクケコサシスセソタチツテトハヒフヘホ", "ガギグゲゴザジズゼゾダヂヅデドバビブベボ", strict=True)
)
SEMI_VOICED = dict(zip("ハヒフヘホ", "パピプペポ", strict=True))

_Sounds = dict[str, str]
COUNTER_CHANGES: tuple[tuple[frozenset[str], dict[str, _Sounds]], ...] = tuple(
    (frozenset(counters.split()), dict.fromkeys(voiced, VOICED) | dict.fromkeys(semi_voiced, SEMI_VOICED))
    for counters, voiced, semi_voiced in (
        ("分 版 敗 発 拍 鉢 波 派 泊 犯 班 品 分間 分目 片 篇 編 辺 遍 歩 報 方", "", "一三四六八十百千万何"),
        ("本 匹 疋 票 俵 箱 本立て 杯 針 柱", "三千万何", "一六八十百"),
        ("軒 石 足 尺 かけ 重ね 件 勺", "三千万", ""),
        ("階", "三", ""),
    )
)
"""Which counters begin with another consonant after which digits."""

HUNDRED_THOUSAND_CHANGES: dict[str, _Sounds] = dict.fromkeys("三何", VOICED) | dict.fromkeys(
    "六八", SEMI_VOICED
)

_NATIVE_COUNTERS = (
    "棟:ムネ かけ:カケ くだり:クダリ けた:ケタ すじ:スジ そろい:ソロイ たび:タビ つかみ:ツカミ "
    "つがい:ツガイ つまみ:ツマミ とおり:トオリ ところ:トコロ とせ:トセ まわり:マワリ シーズン:シーズン "
    "セット:セット 握り:ニギリ 回り:マワリ 株:カブ 竿:サオ 筋:スジ 桁:ケタ ケタ:ケタ 月:ツキ 言:コト "
    "口:クチ 差し:サシ 皿:サラ 山:ヤマ 勺:シャク 尺:シャク 重ね:カサネ 振り:フリ 針:ハリ 切れ:キレ "
    "束:タバ 続き:ツヅキ 揃:ソロイ 袋:フクロ 柱:ハシラ 張り:ハリ 通り:トオリ 掴み:ツカミ 坪:ツボ 箱:ハコ "
    "鉢:ハチ 晩:バン 品:シナ 瓶:ビン 分け:ワケ 幕:マク 夜:ヤ 夜:ヨ 粒:ツブ 枠:ワク 棹:サオ つ折:ツオリ "
    "つ折り:ツオリ つぶ:ツブ とき:トキ 重ね:ガサネ"
)
NATIVE_COUNTERS = frozenset(tuple(pair.split(":")) for pair in _NATIVE_COUNTERS.split())
"""Counters, with their reading, before which one and two are ひと and ふた."""


def _readings(counter: str, rows: str) -> dict[str, Reading]:
    return {
        digit: Reading(digit + counter, reading, Said(sound, int(accent), int(morae)))
        for digit, reading, sound, accent, morae in (line.split() for line in rows.split("/"))
    }


PEOPLE = _readings("人", "一 ヒトリ ヒトリ 2 3/二 フタリ フタリ 3 3")
FIRST_OF_MONTH = Reading("一日", "ツイタチ", Said("ツイタチ", 4, 4))
DAYS = _readings(
    "日",
    "一 イチニチ イチニチ 4 4/二 フツカ フツカ 0 3/三 ミッカ ミッカ 0 3/四 ヨッカ ヨッカ 0 3/五 イツカ "
    "イツカ 0 3/六 ムイカ ムイカ 0 3/七 ナノカ ナノカ 0 3/八 ヨウカ ヨーカ 0 3/九 ココノカ ココノカ 0 4/"
    "十 トウカ トーカ 0 3",
)
SPANS_OF_DAYS = _readings(
    "日間",
    "一 イチニチカン イチニチカン 4 6/二 フツカカン フツカカン 3 5/三 ミッカカン ミッカカン 3 5/四 "
    "ヨッカカン ヨッカカン 3 5/五 イツカカン イツカカン 3 5/六 ムイカカン ムイカカン 3 5/七 ナノカカン "
    "ナノカカン 3 5/八 ヨウカカン ヨーカカン 3 5/九 ココノカカン ココノカカン 4 6/十 トウカカン "
    "トーカカン 3 5",
)
FOURTEEN = {
    "日": Reading("十四日", "ジュウヨッカ", Said("ジューヨッカ", 1, 5)),
    "日間": Reading("十四日間", "ジュウヨッカカン", Said("ジューヨッカカン", 5, 7)),
}
TWENTY = {
    "日": Reading("二十日", "ハツカ", Said("ハツカ", 0, 3)),
    "日間": Reading("二十日間", "ハツカカン", Said("ハツカカン", 3, 5)),
}
TWENTY_BEFORE_FOUR = Reading("二十", "ニジュウ", Said("ニジュー", 1, 3))
FOUR_AFTER_TWENTY = {
    "日": Reading("四日", "ヨッカ", Said("ヨッカ", 0, 3)),
    "日間": Reading("四日間", "ヨッカカン", Said("ヨッカカン", 3, 5)),
}
