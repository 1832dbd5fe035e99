//! What people write in English.

use super::{Phrases, Topic};
use crate::tickets::model::Priority::{Critical, High, Low, Medium};

pub(super) const PHRASES: Phrases = Phrases {
    taken: &[
        "I am looking into it.",
        "Thanks for the report, I have it and will get back to you today.",
        "Got it. Let me check on our side first.",
    ],
    thanks: &[
        "That did it, thank you!",
        "Works again. Thanks for the quick help.",
        "Perfect, all good now.",
        "Confirmed, it is fine since this morning.",
    ],
    again: &[
        "It is back since this morning, exactly the same as before.",
        "Sorry, I was too early: it happened again twice today.",
        "This worked for two days and now it does not any more.",
    ],
    second_fix: &[
        "The first fix did not survive the night's update. I have made it permanent now; please tell us if it ever comes back.",
        "Found the real cause this time: an old setting was pushed back by a policy. It is removed for good.",
    ],
    duplicate: &[
        "This is the same as an earlier request of your department, we go on there.",
        "Closing this one: it is covered by the planned maintenance of this weekend.",
    ],
    chased: &["Any news on this?", "I still cannot work properly, could somebody have a look?", "Is there a date for this?"],
    waiting: &[
        "We are waiting for the supplier, they promised an answer this week.",
        "The part is ordered; I come by as soon as it is here.",
    ],
    escalated: &["Handing this over: it needs somebody with access to the core switches.", "Passing this on, I am out from tomorrow."],
};

pub(super) const TOPICS: &[Topic] = &[
    Topic {
        tags: &["vpn", "network"],
        priorities: &[Medium, High, High],
        titles: &["VPN drops every hour", "VPN does not connect from home", "VPN is very slow since {weekday}"],
        descriptions: &[
            "Since the update the VPN drops **every hour on the hour**. I have to sign in again each time and lose what I had open.\n\nLaptop: {asset}",
            "From home I only get `connection timed out`. In the office everything is fine. Tried with the mobile hotspot too, same thing.",
        ],
        questions: &["Which client version is it? You find it under Help › About.", "Does it happen on cable as well, or only on Wi-Fi?"],
        replies: &["It says 4.2.1. Only on Wi-Fi, as far as I can tell.", "Version 4.3, and yes, on cable too."],
        fixes: &[
            "The session limit on the gateway was set to 60 minutes by mistake. It is 12 hours again, please reconnect once.",
            "Please install client 4.3 from the software centre. It fixes the time-outs behind home routers.",
        ],
        notes: &[
            "Same pattern as the other gateway reports this week.",
            "Gateway log shows a rekey failure at :00. Asked the network team.",
        ],
    },
    Topic {
        tags: &["printer", "hardware"],
        priorities: &[Low, Medium],
        titles: &[
            "Printer on floor {floor} jams on every duplex job",
            "Printer {asset} prints blank pages",
            "No colour on the printer in {room}",
        ],
        descriptions: &[
            "Every two-sided print ends in a jam in tray 2. Single-sided works.",
            "It takes the paper, makes all the noises, and what comes out is white. Toner was changed last week.",
        ],
        questions: &["Does it also happen with paper from tray 1?", "Could you send me a photo of the display when it stops?"],
        replies: &["Tray 1 is fine, it is only tray 2.", "It shows code 13.20. I took the paper out twice already."],
        fixes: &[
            "The pick-up roller of tray 2 was worn. I have changed it and printed fifty test pages.",
            "The drum was not seated properly after the toner change. It prints again.",
        ],
        notes: &["Third roller on this model this year. Worth asking the vendor about the batch.", "Serviced on site, 20 minutes."],
    },
    Topic {
        tags: &["account", "password"],
        priorities: &[Medium, Medium, High],
        titles: &["Locked out of my account", "Password expired while on leave", "Cannot sign in after changing my password"],
        descriptions: &[
            "After three tries it says my account is locked. I am quite sure about the password, I changed it yesterday.",
            "I was away for three weeks, now my password has expired and the reset page sends me a mail that I cannot read without signing in…",
        ],
        questions: &["Is there a phone or tablet that still has the old password stored? That locks accounts most often."],
        replies: &["Yes! My phone was still set up with the old one.", "Only this laptop ({asset})."],
        fixes: &[
            "Your account is open again. Please update the password on the phone first, otherwise it locks you out once more.",
            "I have set a temporary password and called you with it. You will be asked for a new one when you sign in.",
        ],
        notes: &["Identity confirmed by call-back to the number in the directory."],
    },
    Topic {
        tags: &["email", "outlook"],
        priorities: &[Medium, Low],
        titles: &["E-mails stay in the outbox", "Shared mailbox is missing in Outlook", "Calendar does not show meeting rooms"],
        descriptions: &[
            "Messages with attachments stay in the outbox for hours. Small ones go out. Size is about {n} MB.",
            "Since I got the new laptop the mailbox of our team is gone. My colleagues still see it.",
        ],
        questions: &["Do you see it in the web version of the mail?", "How large is the attachment, and whom is it for?"],
        replies: &["In the browser it is there, only the desktop program does not show it.", "About {n} MB, to a customer outside."],
        fixes: &[
            "I have assigned the mailbox to you again. Restart Outlook and wait a minute, it appears by itself.",
            "The limit for outside recipients is 25 MB. Please use the file exchange for such files; I have sent you the link.",
        ],
        notes: &["Profile was migrated without the delegated mailboxes. Check the other laptops of that batch."],
    },
    Topic {
        tags: &["laptop", "hardware"],
        priorities: &[Medium, High, Critical],
        titles: &[
            "Laptop battery is swollen",
            "Laptop {asset} does not wake from sleep",
            "Fan is loud all the time",
            "Screen flickers on the docking station",
        ],
        descriptions: &[
            "The touchpad stands up on one side and the case does not close any more. I have switched it off and not charged it.",
            "When I open the lid in the morning the screen stays black. Only holding the power button for ten seconds helps.\n\n- model: see {asset}\n- since: {weekday}",
        ],
        questions: &["Is it the same with the charger unplugged?", "Which docking station is it, the small or the large one?"],
        replies: &["Yes, with and without.", "The large one in {room}."],
        fixes: &[
            "You have got a replacement, and your data is copied. Please leave the old one at the desk, it goes to disposal.",
            "A firmware update cured it. Your laptop has installed it over lunch.",
        ],
        notes: &[
            "Battery is a safety case: collected at once, stored in the fire bag.",
            "Warranty until next spring, return number requested.",
        ],
    },
    Topic {
        tags: &["access", "files"],
        priorities: &[Low, Medium],
        titles: &["Access to the folder Finance/Reports", "Please give Tom access to the project share", "Permission denied on drive P:"],
        descriptions: &[
            "For the quarterly report I need read access to `Finance/Reports`. My manager is in copy and agrees.",
            "Since I moved to the new team I cannot open the project folder. It says *access denied*.",
        ],
        questions: &["Do you need to write there, or is reading enough?", "Who owns that folder? I need a yes from them."],
        replies: &["Reading is enough.", "That should be Nora from controlling. She has just answered by mail."],
        fixes: &[
            "Done. Please sign out and in again, then the folder is there.",
            "You are in the group now; it takes up to an hour to reach all servers.",
        ],
        notes: &["Approval of the owner is attached to the change record.", "Old team's group removed at the same time."],
    },
    Topic {
        tags: &["software", "licence"],
        priorities: &[Low, Low, Medium],
        titles: &["Licence for the diagram editor", "Please install the PDF editor on {asset}", "Statistics package says licence expired"],
        descriptions: &[
            "I need it for the documentation of the new process, about two days a week.",
            "When I start it: `licence expired, {n} days ago`. I have a deadline on Friday.",
        ],
        questions: &["Is the free viewer enough, or do you have to edit as well?"],
        replies: &["I have to edit."],
        fixes: &[
            "The licence is assigned to you and the program installs itself within the hour.",
            "The licence server had lost its renewal. It is loaded now, please start the program again.",
        ],
        notes: &["Two seats left in the pool."],
    },
    Topic {
        tags: &["wifi", "network"],
        priorities: &[Medium, High],
        titles: &["No Wi-Fi in {room}", "Wi-Fi is slow on floor {floor}", "Guests cannot join the Wi-Fi"],
        descriptions: &[
            "In {room} the network is shown but nobody can join. Two doors further it works.",
            "Video calls break up all morning on floor {floor}, in the afternoon it is fine.",
        ],
        questions: &["How many people are in the room when it happens?"],
        replies: &["About twenty, we have the workshop there this week."],
        fixes: &[
            "The access point had hung itself up. It is restarted and watched from now on.",
            "We have added a second access point for the workshop.",
        ],
        notes: &["AP uptime was 412 days. Firmware is due.", "Channel 6 is crowded there; moved to 5 GHz only."],
    },
    Topic {
        tags: &["erp", "software"],
        priorities: &[High, Critical, Medium],
        titles: &["Invoices cannot be posted", "ERP shows error 4{n}0 on saving", "Stock list is empty since this morning"],
        descriptions: &[
            "When I post an invoice I get:\n\n```\nERR-4{n}0: period is not open\n```\n\nNobody in accounting can post anything.",
            "The list of stock is empty for all of us. Yesterday evening it was still complete.",
        ],
        questions: &["Is it all invoices, or only those of this month?", "Could you send me one order number as an example?"],
        replies: &["Only this month's.", "Take 20{n}7, that one I tried three times."],
        fixes: &[
            "The new period was not opened by the night job. I have opened it; posting works.",
            "The view was built on a table that last night's release renamed. It is corrected, the list is complete.",
        ],
        notes: &["Night job failed at step 7, see its log. Opened a problem for the release team.", "Told the finance lead by phone."],
    },
    Topic {
        tags: &["onboarding"],
        priorities: &[Low, Medium],
        titles: &["New colleague starts on {weekday}", "Workplace for an intern in {room}", "Phone and laptop for a new hire"],
        descriptions: &[
            "She starts on {weekday} in our team. Please prepare:\n\n1. laptop\n2. account and mailbox\n3. access to the team folder",
            "We get an intern for three months. A desk is free in {room}, but there is no computer.",
        ],
        questions: &["Which groups should the account be in? The same as yours?"],
        replies: &["Yes, the same as mine, without the budget folder."],
        fixes: &[
            "All is ready: laptop {asset} is at the desk, the first password is in the sealed letter.",
            "The workplace is set up and tested.",
        ],
        notes: &["Standard bundle from stock, four left."],
    },
    Topic {
        tags: &["phone"],
        priorities: &[Low, Medium],
        titles: &["Desk phone has no tone", "Calls are not forwarded to my mobile", "Headset is not recognised"],
        descriptions: &[
            "The phone in {room} shows the menu but there is no tone at all.",
            "The forwarding is on, but callers end up on the mailbox after two rings.",
        ],
        questions: &["Is the small light at the network socket on?"],
        replies: &["No, it is dark."],
        fixes: &["The port was switched off after the move. It is on again.", "Forwarding waits for 20 seconds now, before it was 5."],
        notes: &["Patch panel label is wrong, corrected in the plan."],
    },
    Topic {
        tags: &["security", "email"],
        priorities: &[High, Critical],
        titles: &["Suspicious e-mail with an invoice", "I clicked on a link that looks wrong", "Strange sign-in alert"],
        descriptions: &[
            "I got an invoice from a supplier that we do not have. I have **not** opened the attachment. What shall I do with it?",
            "I clicked the link in a parcel message and typed my password before I noticed. Sorry!",
        ],
        questions: &["Please do not forward it. Could you tell me the sender's address and the time?"],
        replies: &["It came at 9:{n} from something like `billing@parcel-notice.example`."],
        fixes: &[
            "Thank you for telling us at once. We have removed the message from all mailboxes and blocked the sender.",
            "Your password is reset, your sessions are ended, and nothing was done with the account meanwhile.",
        ],
        notes: &["Eleven recipients, two clicked. All reset.", "Reported to the provider."],
    },
];
