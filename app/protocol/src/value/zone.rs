//! Time zones by their number on the wire (Nuki Smart Lock API 2.1, time zone ids).
//!
//! Names only: when a zone changes its clock is for whoever keeps a clock.

use super::number::numbers;

numbers! {
    /// A time zone of the IANA database.
    TimeZoneId: u16, "time zone" {
        /// Africa/Cairo.
        AfricaCairo = 0,
        /// Africa/Lagos.
        AfricaLagos = 1,
        /// Africa/Maputo.
        AfricaMaputo = 2,
        /// Africa/Nairobi.
        AfricaNairobi = 3,
        /// America/Anchorage.
        AmericaAnchorage = 4,
        /// America/Argentina/Buenos_Aires.
        AmericaArgentinaBuenosAires = 5,
        /// America/Chicago.
        AmericaChicago = 6,
        /// America/Denver.
        AmericaDenver = 7,
        /// America/Halifax.
        AmericaHalifax = 8,
        /// America/Los_Angeles.
        AmericaLosAngeles = 9,
        /// America/Manaus.
        AmericaManaus = 10,
        /// America/Mexico_City.
        AmericaMexicoCity = 11,
        /// America/New_York.
        AmericaNewYork = 12,
        /// America/Phoenix.
        AmericaPhoenix = 13,
        /// America/Regina.
        AmericaRegina = 14,
        /// America/Santiago.
        AmericaSantiago = 15,
        /// America/Sao_Paulo.
        AmericaSaoPaulo = 16,
        /// America/St_Johns.
        AmericaStJohns = 17,
        /// Asia/Bangkok.
        AsiaBangkok = 18,
        /// Asia/Dubai.
        AsiaDubai = 19,
        /// Asia/Hong_Kong.
        AsiaHongKong = 20,
        /// Asia/Jerusalem.
        AsiaJerusalem = 21,
        /// Asia/Karachi.
        AsiaKarachi = 22,
        /// Asia/Kathmandu.
        AsiaKathmandu = 23,
        /// Asia/Kolkata.
        AsiaKolkata = 24,
        /// Asia/Riyadh.
        AsiaRiyadh = 25,
        /// Asia/Seoul.
        AsiaSeoul = 26,
        /// Asia/Shanghai.
        AsiaShanghai = 27,
        /// Asia/Tehran.
        AsiaTehran = 28,
        /// Asia/Tokyo.
        AsiaTokyo = 29,
        /// Asia/Yangon.
        AsiaYangon = 30,
        /// Australia/Adelaide.
        AustraliaAdelaide = 31,
        /// Australia/Brisbane.
        AustraliaBrisbane = 32,
        /// Australia/Darwin.
        AustraliaDarwin = 33,
        /// Australia/Hobart.
        AustraliaHobart = 34,
        /// Australia/Perth.
        AustraliaPerth = 35,
        /// Australia/Sydney.
        AustraliaSydney = 36,
        /// Europe/Berlin.
        EuropeBerlin = 37,
        /// Europe/Helsinki.
        EuropeHelsinki = 38,
        /// Europe/Istanbul.
        EuropeIstanbul = 39,
        /// Europe/London.
        EuropeLondon = 40,
        /// Europe/Moscow.
        EuropeMoscow = 41,
        /// Pacific/Auckland.
        PacificAuckland = 42,
        /// Pacific/Guam.
        PacificGuam = 43,
        /// Pacific/Honolulu.
        PacificHonolulu = 44,
        /// Pacific/Pago_Pago.
        PacificPagoPago = 45,
        /// None: the offset in the configuration counts.
        None = 0xFFFF,
    }
}

impl TimeZoneId {
    /// The name in the IANA database; `None` for [`Self::None`].
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::AfricaCairo => "Africa/Cairo",
            Self::AfricaLagos => "Africa/Lagos",
            Self::AfricaMaputo => "Africa/Maputo",
            Self::AfricaNairobi => "Africa/Nairobi",
            Self::AmericaAnchorage => "America/Anchorage",
            Self::AmericaArgentinaBuenosAires => "America/Argentina/Buenos_Aires",
            Self::AmericaChicago => "America/Chicago",
            Self::AmericaDenver => "America/Denver",
            Self::AmericaHalifax => "America/Halifax",
            Self::AmericaLosAngeles => "America/Los_Angeles",
            Self::AmericaManaus => "America/Manaus",
            Self::AmericaMexicoCity => "America/Mexico_City",
            Self::AmericaNewYork => "America/New_York",
            Self::AmericaPhoenix => "America/Phoenix",
            Self::AmericaRegina => "America/Regina",
            Self::AmericaSantiago => "America/Santiago",
            Self::AmericaSaoPaulo => "America/Sao_Paulo",
            Self::AmericaStJohns => "America/St_Johns",
            Self::AsiaBangkok => "Asia/Bangkok",
            Self::AsiaDubai => "Asia/Dubai",
            Self::AsiaHongKong => "Asia/Hong_Kong",
            Self::AsiaJerusalem => "Asia/Jerusalem",
            Self::AsiaKarachi => "Asia/Karachi",
            Self::AsiaKathmandu => "Asia/Kathmandu",
            Self::AsiaKolkata => "Asia/Kolkata",
            Self::AsiaRiyadh => "Asia/Riyadh",
            Self::AsiaSeoul => "Asia/Seoul",
            Self::AsiaShanghai => "Asia/Shanghai",
            Self::AsiaTehran => "Asia/Tehran",
            Self::AsiaTokyo => "Asia/Tokyo",
            Self::AsiaYangon => "Asia/Yangon",
            Self::AustraliaAdelaide => "Australia/Adelaide",
            Self::AustraliaBrisbane => "Australia/Brisbane",
            Self::AustraliaDarwin => "Australia/Darwin",
            Self::AustraliaHobart => "Australia/Hobart",
            Self::AustraliaPerth => "Australia/Perth",
            Self::AustraliaSydney => "Australia/Sydney",
            Self::EuropeBerlin => "Europe/Berlin",
            Self::EuropeHelsinki => "Europe/Helsinki",
            Self::EuropeIstanbul => "Europe/Istanbul",
            Self::EuropeLondon => "Europe/London",
            Self::EuropeMoscow => "Europe/Moscow",
            Self::PacificAuckland => "Pacific/Auckland",
            Self::PacificGuam => "Pacific/Guam",
            Self::PacificHonolulu => "Pacific/Honolulu",
            Self::PacificPagoPago => "Pacific/Pago_Pago",
            Self::None => return None,
        })
    }
}
