"""Notes to compare models on where the user gives none: written for this purpose, describing nobody."""

from __future__ import annotations

SAMPLES: tuple[str, ...] = (
    "Patient presents with chest pain and shortness of breath for 2 days. ECG and troponin were ordered.",
    "CHIEF COMPLAINT: Low back pain.\n\nHISTORY: 61-year-old woman with hypertension, type 2 diabetes and "
    "hyperlipidaemia who fell at home three days ago. Pain is 7/10, worse on bending, without numbness.\n\n"
    "MEDICATIONS:\n1. Metformin 500 mg tablet by mouth twice daily\n2. Lisinopril 10mg PO qd\n"
    "3. Atorvastatin 40 mg at bedtime\n4. Acetaminophen 650 mg q6h prn pain\n",
    "Impression: community-acquired pneumonia, right lower lobe. Started ceftriaxone 1 g IV q24h and "
    "azithromycin 500 mg daily for 5 days. Repeat chest X-ray in 6 weeks.",
    "Labs: Na 138, K 4.1, creatinine 1.4 (baseline 0.9), WBC 12.3, Hgb 9.8 g/dL. Blood cultures x2 drawn. "
    "CT abdomen/pelvis with contrast showed acute uncomplicated appendicitis; laparoscopic appendectomy done.",
    "The patient denies fever, chills, nausea, vomiting or diarrhoea. Mild oedema of both ankles. "
    "No focal neurological deficit. Echocardiogram: ejection fraction 35%, moderate mitral regurgitation.",
    "DISCHARGE INSTRUCTIONS: Take prednisone 40 mg daily for 3 days, then 20 mg daily for 3 days, then stop. "
    "Use albuterol inhaler 2 puffs every 4 hours as needed for wheezing. Return if you are short of breath.",
)
