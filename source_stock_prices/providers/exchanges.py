"""What vendors call an exchange, in a ticker or in a setting, and its MIC (ISO 10383). Data.

Exchanges in the United States are New York: they share its sessions. What is not here, such as indices, currencies and
crypto, has no known exchange.
"""

from source_stock_prices.sessions import NEW_YORK

WORDS = {
    "ASEX": "AT",
    "BVMF": "SA BOVESPA",
    "NEOE": "NE NEO",
    "ROCO": "TWO",
    "XAMS": "AS",
    "XASX": "AX AU ASX",
    "XBER": "BE",
    "XBKK": "BK SET",
    "XBOM": "BO BSE",
    "XBRU": "BR",
    "XBUD": "BD BUD",
    "XBUE": "BA BCBA",
    "XCNQ": "CN",
    "XCSE": "CO OMXC",
    "XDUB": "IR",
    "XDUS": "DU",
    "XETR": "DE DEX XETRA",
    "XFRA": "F FRK FSX",
    "XHAM": "HM",
    "XHAN": "HA",
    "XHEL": "HE OMXH",
    "XHKG": "HK HKEX",
    "XICE": "IC",
    "XIDX": "JK IDX",
    "XIST": "IS BIST",
    "XJSE": "JO JSE",
    "XKAR": "KAR",
    "XKLS": "KL KLSE MYX",
    "XKOS": "KQ KOSDAQ",
    "XKRX": "KS KO KRX",
    "XLIS": "LS",
    "XLON": "L LON LSE IL",
    "XMAD": "MC BME",
    "XMEX": "MX BMV",
    "XMIL": "MI MTA",
    "XMUN": "MU",
    "XNSE": "NS NSE",
    "XNZE": "NZ NZX",
    "XOSL": "OL OSE",
    "XPAR": "PA EURONEXT",
    "XPRA": "PR",
    "XSAU": "SR TADAWUL",
    "XSES": "SI SGX",
    "XSGO": "SN",
    "XSHE": "SZ SHE SHZ SZSE",
    "XSHG": "SS SHG SHH SSE",
    "XSTO": "ST OMX",
    "XSTU": "SG STU",
    "XSWX": "SW SIX",
    "XTAE": "TA TASE",
    "XTAI": "TW TWSE",
    "XTKS": "T JPX",
    "XTSE": "TO TRT TSX",
    "XTSX": "V TRV TSXV",
    "XWAR": "WA WAR GPW",
    "XWBO": "VI VSE",
    NEW_YORK: "US NYSE NASDAQ AMEX BATS CBOE OTC",
}
"""The words for each exchange: what follows the dot of a ticker in the spelling of Yahoo, which several vendors share,
and what others write in its place. No word means one exchange here and another one there.
"""

IN_THE_UNITED_STATES = "ARCX IEXG OTCM PINX XASE XNAS XNCM XNGS XNMS XNYS"

EXCHANGES = dict.fromkeys(IN_THE_UNITED_STATES.split(), NEW_YORK)
"""The MIC of each exchange by any of its words, or by the MIC itself."""

for mic, words in WORDS.items():
    EXCHANGES |= dict.fromkeys([mic, *words.split()], mic)

COUNTRIES = {
    "AUSTRALIA": "XASX",
    "AUSTRIA": "XWBO",
    "BELGIUM": "XBRU",
    "BRAZIL": "BVMF",
    "CANADA": "XTSE",
    "CHINA": "XSHG",
    "DENMARK": "XCSE",
    "FINLAND": "XHEL",
    "FRANCE": "XPAR",
    "GERMANY": "XFRA",
    "HONG KONG": "XHKG",
    "INDIA": "XBOM",
    "IRELAND": "XDUB",
    "ISRAEL": "XTAE",
    "ITALY": "XMIL",
    "JAPAN": "XTKS",
    "MEXICO": "XMEX",
    "NETHERLANDS": "XAMS",
    "NEW ZEALAND": "XNZE",
    "NORWAY": "XOSL",
    "POLAND": "XWAR",
    "PORTUGAL": "XLIS",
    "SINGAPORE": "XSES",
    "SOUTH AFRICA": "XJSE",
    "SOUTH KOREA": "XKRX",
    "SPAIN": "XMAD",
    "SWEDEN": "XSTO",
    "SWITZERLAND": "XSWX",
    "TAIWAN": "XTAI",
    "TURKEY": "XIST",
    "UNITED KINGDOM": "XLON",
    "UNITED STATES": NEW_YORK,
}
"""The exchanges of a country share their sessions; where they close at different hours, it is the one that is last."""
