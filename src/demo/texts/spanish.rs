//! What people write in Spanish.

use super::{Phrases, Topic};
use crate::tickets::model::Priority::{Critical, High, Low, Medium};

pub(super) const PHRASES: Phrases = Phrases {
    taken: &["Lo estoy mirando.", "Gracias por avisar; lo reviso y te digo algo hoy mismo.", "Recibido. Primero compruebo nuestro lado."],
    thanks: &["¡Solucionado, muchas gracias!", "Ya funciona. Gracias por la rapidez.", "Perfecto, todo en orden."],
    again: &["Esta mañana ha vuelto a pasar, igual que antes.", "Perdón, me adelanté: hoy ha fallado otra vez."],
    second_fix: &["La primera solución se perdió con la actualización de la noche. Ahora queda fija; si vuelve a pasar, avísanos."],
    duplicate: &["Es lo mismo que otra solicitud de tu departamento; seguimos en aquella."],
    chased: &["¿Hay alguna novedad?", "Sigo sin poder trabajar bien, ¿podéis mirarlo?"],
    waiting: &["Estamos a la espera del proveedor, nos contesta esta semana.", "La pieza está pedida; paso en cuanto llegue."],
    escalated: &["Lo paso a un compañero con acceso a los servidores."],
};

pub(super) const TOPICS: &[Topic] = &[
    Topic {
        tags: &["impresora", "hardware"],
        priorities: &[Low, Medium],
        titles: &["La impresora de la planta {floor} no imprime", "Sale todo en blanco en la impresora {asset}"],
        descriptions: &[
            "Los trabajos se quedan en la cola y no sale nada. Ya la he apagado y encendido dos veces.",
            "Coge el papel, pero las hojas salen **en blanco**. El tóner es nuevo.",
        ],
        questions: &["¿Qué código aparece en la pantalla?", "¿Pasa también con la bandeja 1?"],
        replies: &["Pone 13.20.", "Con la bandeja 1 va bien."],
        fixes: &[
            "El rodillo estaba gastado; está cambiado y probado.",
            "La cola estaba bloqueada por un trabajo de {n} páginas. Ya imprime.",
        ],
        notes: &["Tercera avería de este modelo este año."],
    },
    Topic {
        tags: &["cuenta", "contraseña"],
        priorities: &[Medium, High],
        titles: &["Cuenta bloqueada", "No puedo entrar después de las vacaciones", "Restablecer mi contraseña"],
        descriptions: &[
            "Después de tres intentos me dice que la cuenta está bloqueada.",
            "He estado tres semanas fuera y la contraseña ha caducado.",
        ],
        questions: &["¿Tienes la contraseña antigua guardada en el móvil? Suele ser la causa."],
        replies: &["Sí, era el móvil. No había caído."],
        fixes: &[
            "La cuenta está abierta otra vez. Cambia primero la contraseña en el móvil.",
            "Te hemos llamado con una contraseña provisional; al entrar te pedirá otra.",
        ],
        notes: &["Identidad comprobada por teléfono."],
    },
    Topic {
        tags: &["vpn", "red"],
        priorities: &[Medium, High, High],
        titles: &["La VPN se corta cada hora", "No conecta la VPN desde casa", "La VPN va lentísima desde el {weekday}"],
        descriptions: &[
            "Desde la actualización, la VPN se corta cada hora en punto y pierdo la sesión.\n\nEquipo: {asset}",
            "Desde casa solo veo `tiempo de espera agotado`. En la oficina va bien.",
        ],
        questions: &["¿Qué versión del cliente tienes? Está en Ayuda › Acerca de."],
        replies: &["La 4.2.1.", "La 4.3, con cable y con wifi."],
        fixes: &[
            "El límite de sesión estaba en 60 minutos por error. Vuelve a conectar, por favor.",
            "Instala la versión 4.3 desde el centro de software.",
        ],
        notes: &["Igual que los otros avisos de esta semana."],
    },
    Topic {
        tags: &["acceso", "archivos"],
        priorities: &[Low, Medium],
        titles: &["Acceso a la carpeta Contratos", "Permiso denegado en la unidad P:"],
        descriptions: &[
            "Para el informe trimestral necesito leer `Contratos/2026`. Mi responsable está de acuerdo.",
            "Desde que cambié de equipo no puedo abrir la carpeta del proyecto.",
        ],
        questions: &["¿Necesitas escribir o basta con leer?"],
        replies: &["Basta con leer."],
        fixes: &["Hecho. Cierra la sesión y vuelve a entrar, y verás la carpeta."],
        notes: &["Aprobado por la responsable de la carpeta."],
    },
    Topic {
        tags: &["correo"],
        priorities: &[Medium, Low],
        titles: &["Los correos se quedan en la bandeja de salida", "No veo el buzón compartido"],
        descriptions: &[
            "Los mensajes con adjuntos tardan horas en salir; los pequeños salen enseguida.",
            "Con el portátil nuevo ha desaparecido el buzón del equipo.",
        ],
        questions: &["¿Lo ves en la versión web?", "¿Cuánto ocupa el adjunto?"],
        replies: &["En el navegador sí.", "Unos {n} MB."],
        fixes: &[
            "He vuelto a asignarte el buzón; reinicia Outlook y espera un minuto.",
            "El límite es de 25 MB. Para archivos así, usa el intercambio de ficheros.",
        ],
        notes: &["El perfil se migró sin los buzones delegados."],
    },
    Topic {
        tags: &["portátil", "hardware"],
        priorities: &[Medium, High],
        titles: &["El portátil {asset} no arranca", "La pantalla parpadea con la base", "El ventilador no para"],
        descriptions: &[
            "Al abrir la tapa la pantalla se queda negra. Solo responde si mantengo pulsado el botón diez segundos.",
            "Con la base de {room} la pantalla parpadea cada pocos segundos.",
        ],
        questions: &["¿Pasa igual sin el cargador?"],
        replies: &["Sí, con y sin él."],
        fixes: &["Una actualización del firmware lo ha corregido.", "Tienes un equipo de sustitución con tus datos copiados."],
        notes: &["En garantía hasta la primavera."],
    },
    Topic {
        tags: &["erp", "software"],
        priorities: &[High, Critical],
        titles: &["No se pueden contabilizar facturas", "El ERP da error al guardar"],
        descriptions: &["Al contabilizar aparece:\n\n```\nERR-4{n}0: periodo no abierto\n```\n\nNadie de contabilidad puede seguir."],
        questions: &["¿Son todas las facturas o solo las de este mes?"],
        replies: &["Solo las de este mes."],
        fixes: &["El proceso nocturno no abrió el periodo. Ya está abierto."],
        notes: &["Avisada la responsable de finanzas."],
    },
    Topic {
        tags: &["alta"],
        priorities: &[Low, Medium],
        titles: &["Alta de una compañera el {weekday}", "Puesto para un becario en {room}"],
        descriptions: &[
            "Empieza el {weekday} en nuestro equipo. Hace falta:\n\n1. portátil\n2. cuenta y correo\n3. acceso a la carpeta del equipo",
        ],
        questions: &["¿En qué grupos tiene que estar la cuenta?"],
        replies: &["En los mismos que la mía."],
        fixes: &["Todo listo: el portátil {asset} está en su mesa."],
        notes: &["Equipo estándar del almacén."],
    },
];
